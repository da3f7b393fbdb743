"""GRAF features of a NAS-Bench-201 cell, literally: every path is walked, every edge counted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from benchmarks.nasbench201.architecture import EDGES, Cell

OPS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")


def subsets() -> Iterator[tuple[str, ...]]:
    for size in range(6):
        yield from combinations(OPS, size)


def walk(cell: Cell, node: int = 0) -> Iterator[list[str]]:
    """Operations along every way from `node` to the output."""
    if node == 3:
        yield []
    for (source, target), op in zip(EDGES, cell.ops, strict=True):
        if source == node:
            for rest in walk(cell, target):
                yield [op, *rest]


def graf(cell: Cell, *, pure: bool = True) -> dict[str, float]:
    result: dict[str, float] = {f"op_count_{op}": cell.ops.count(op) for op in OPS}
    paths = list(walk(cell))
    labelled = list(zip(EDGES, cell.ops, strict=True))
    for chosen in subsets():
        name = "+".join(chosen) or "nothing"
        if len(chosen) < 5:
            lengths = [len(path) for path in paths if not set(path) & set(chosen)]
            result[f"min_path_len_{name}"] = min(lengths, default=5)
        if chosen:
            if pure:
                lengths = [len(path) for path in paths if set(path) <= set(chosen)]
            else:
                lengths = [sum(op in chosen for op in path) for path in paths]
            result[f"max_op_on_path_{name}"] = max(lengths, default=-1)
            ends = [edge for edge, op in labelled if op in chosen]
            leaving = {node: sum(i == node for i, _ in ends) for node in range(4)}
            entering = {node: sum(j == node for _, j in ends) for node in range(4)}
            result[f"node_degree_input_{name}"] = leaving[0]
            result[f"node_degree_output_{name}"] = entering[3]
            result[f"node_degree_avg_in_{name}"] = sum(entering.values()) / 4
            result[f"node_degree_avg_out_{name}"] = sum(leaving.values()) / 4
    return result
