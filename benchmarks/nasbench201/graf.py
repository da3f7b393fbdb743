"""GRAF features of NAS-Bench-201 cells: simple properties of the cell's graph.

Kadlecová, Lukasik, Pilát, Vidnerová, Safari, Neruda and Hutter, "Surprisingly Strong
Performance Prediction with Neural Graph Features", ICML 2024 (arXiv:2404.16551), with the
sets of operations of its `nb201_full` configuration.

All six edges of a cell exist, labelled with their operation; `none` is an operation like
others. This module knows no network and loads without torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.nasbench201.architecture import EDGES, SUITE_ZERO_OPS, Cell

#: Nodes of the four ways from the input to the output.
PATHS = ((0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3))
#: `min_path_len` where every path is banned: longer than any path.
NO_PATH = 5
_NODES = 4

#: Which paths `max_op_on_path` looks at.
Paths = Literal["pure", "any"]

_PATH_EDGES = [[EDGES.index(edge) for edge in itertools.pairwise(path)] for path in PATHS]
_FROM_INPUT = [k for k, (source, _) in enumerate(EDGES) if source == 0]
_TO_OUTPUT = [k for k, (_, target) in enumerate(EDGES) if target == _NODES - 1]


def features(cells: Sequence[Cell], *, paths: Paths = "pure") -> pd.DataFrame:
    """All 191 features.

    For sets A of operations, written `skip_connect+none`, and in the order of `SUITE_ZERO_OPS`:

    * `op_count_<op>`: edges with the operation (5 columns);
    * `min_path_len_<A>`: edges of the shortest path from input to output that avoids A, 5 where
      there is none; A is `nothing` or has one to four operations (31);
    * `max_op_on_path_<A>` (31 non-empty sets): with `paths="pure"` edges of the longest path from
      input to output with operations of A alone, -1 where there is none, as in GRAF's released
      code; with "any" the most edges with an operation of A that any path has, close to what
      earlier versions of that code count;
    * `node_degree_<kind>_<A>`: edges with an operation of A that leave the input (`input`), enter
      the output (`output`), and their number divided by the four nodes (`avg_in`, `avg_out`: the
      same number, both kept as the source has both) (124).

    Args:
        cells: n cells.
        paths: Of `max_op_on_path`.

    Returns:
        n x 191, float, indexed by cell id.
    """
    code = {op: k for k, op in enumerate(SUITE_ZERO_OPS)}
    codes = np.array([[code[op] for op in cell.ops] for cell in cells], dtype=int)
    codes = codes.reshape(len(cells), len(EDGES))
    columns = {f"op_count_{op}": (codes == k).sum(axis=1) for op, k in code.items()}
    subsets = [
        subset
        for size in range(len(code) + 1)
        for subset in itertools.combinations(range(len(code)), size)
    ]
    for banned in subsets[:-1]:
        open_paths = _open_paths(~np.isin(codes, banned))
        lengths = [np.where(is_open, length, NO_PATH) for is_open, length in open_paths]
        columns[f"min_path_len_{_words(banned)}"] = np.min(lengths, axis=0)
    for allowed in subsets[1:]:
        inside = np.isin(codes, allowed)
        if paths == "pure":
            lengths = [np.where(is_open, length, -1) for is_open, length in _open_paths(inside)]
        else:
            lengths = [inside[:, edges].sum(axis=1) for edges in _PATH_EDGES]
        columns[f"max_op_on_path_{_words(allowed)}"] = np.max(lengths, axis=0)
    for allowed in subsets[1:]:
        edges, words = np.isin(codes, allowed), _words(allowed)
        columns[f"node_degree_input_{words}"] = edges[:, _FROM_INPUT].sum(axis=1)
        columns[f"node_degree_output_{words}"] = edges[:, _TO_OUTPUT].sum(axis=1)
        average = edges.sum(axis=1) / _NODES
        columns[f"node_degree_avg_in_{words}"] = average
        columns[f"node_degree_avg_out_{words}"] = average
    return pd.DataFrame(columns, index=pd.Index([cell.id for cell in cells]), dtype=float)


def study_features(cells: Sequence[Cell], *, paths: Paths = "any") -> pd.DataFrame:
    """The 160 features that the VKDNW paper's model rows use (arXiv:2502.04975).

    Its code takes the columns with "op_" or "node_" in their names: counts of operations,
    longest paths and node degrees. The shortest paths, `min_path_len`, are not among them.

    Which `max_op_on_path` its code had, it does not say; the figures do. Kendall's tau of a
    forest of 300 trees on CIFAR-10, CIFAR-100 and ImageNet16-120, over five splits:
    0.821, 0.810, 0.795 with "any", 0.842, 0.836, 0.820 with "pure"; published 0.820, 0.809, 0.796.

    Args:
        cells: n cells.
        paths: Of `max_op_on_path`.

    Returns:
        n x 160, float, indexed by cell id.
    """
    every = features(cells, paths=paths)
    return every[[name for name in every.columns if "op_" in name or "node_" in name]]


def _open_paths(passable: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], int]]:
    """For each path: whether all of its edges are passable, (n,), and how many it has."""
    return [(np.all(passable[:, edges], axis=1), len(edges)) for edges in _PATH_EDGES]


def _words(ops: Sequence[int]) -> str:
    return "+".join(SUITE_ZERO_OPS[op] for op in ops) or "nothing"
