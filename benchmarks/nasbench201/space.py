"""The NAS-Bench-201 / NATS-Bench topology space: cells, their strings, sets and costs.

A cell has four nodes 0..3 and one operation on each of the six edges i < j; a
node is the sum of its incoming edges, node 0 is the input, node 3 the output.
Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
Architecture Search", ICLR 2020 (arXiv:2001.00326).

This module knows no network and loads without torch.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from benchmarks.types import Costs, Dataset

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.drawing import Graph
    from benchmarks.nasbench201.network import Network

#: The five operations in the official ("canonical") order.
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
#: The six edges (source, target) in the order of the architecture string.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

#: Order of operations and edges in NAS-Bench-Suite-Zero's integer tuples.
SUITE_ZERO_OPS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
SUITE_ZERO_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))

_TERM = re.compile(r"\|([^|~+]+)~([^|~+]+)(?=\|)")
_CODES = re.compile(r"[(\[] *[0-9]{1,3}(?: *, *[0-9]{1,3})* *[)\]]")
_OFFICIAL_SHUFFLE_SEED = 88

#: Macro skeleton: channels and resolution divisor of the three stages, cells a stage.
STAGE_CHANNELS = (16, 32, 64)
CELLS_PER_STAGE = 5


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One architecture: an operation for each of the six edges.

    Attributes:
        ops: Operation names in the order of `EDGES`.

    >>> cell = Cell.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|")
    >>> cell.ops[0], cell.reachable
    ('nor_conv_3x3', True)
    """

    ops: tuple[str, str, str, str, str, str]

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Read an architecture string, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

        Raises:
            InputError: The string is not of that form, or names an unknown operation.
        """
        text = text.strip()
        ops: list[str] = []
        for number, node in enumerate(text.split("+"), start=1):
            terms = _TERM.findall(node)
            if "".join(f"|{op}~{source}" for op, source in terms) + "|" != node:
                raise InputError(_malformed(text, f"node {number} reads {node!r}"))
            if [source for _, source in terms] != [str(i) for i in range(number)]:
                raise InputError(
                    _malformed(
                        text, f"node {number} must take its sources 0..{number - 1} in order"
                    )
                )
            ops.extend(op for op, _ in terms)
        if len(ops) != len(EDGES):
            raise InputError(_malformed(text, f"it has {len(ops)} edges, not {len(EDGES)}"))
        for op in ops:
            if op not in OPS:
                raise InputError(_malformed(text, f"{op!r} is none of {', '.join(OPS)}"))
        return cls(tuple(ops))  # type: ignore[arg-type]

    @classmethod
    def from_suite_zero(cls, codes: Sequence[int]) -> Cell:
        """Read six operation codes in the order of NAS-Bench-Suite-Zero and NASLib.

        Raises:
            InputError: Not six codes in 0..4.
        """
        if len(codes) != len(EDGES) or any(
            code not in range(len(SUITE_ZERO_OPS)) for code in codes
        ):
            raise InputError(f"{codes!r} is no NAS-Bench-201 cell: expected six codes in 0..4")
        by_edge = dict(zip(SUITE_ZERO_EDGES, codes, strict=True))
        return cls(tuple(SUITE_ZERO_OPS[by_edge[edge]] for edge in EDGES))  # type: ignore[arg-type]

    @property
    def suite_zero(self) -> tuple[int, ...]:
        """The six operation codes in the order of NAS-Bench-Suite-Zero and NASLib.

        >>> Cell.from_suite_zero((4, 0, 3, 1, 4, 3)).suite_zero
        (4, 0, 3, 1, 4, 3)
        """
        by_edge = dict(zip(EDGES, self.ops, strict=True))
        return tuple(SUITE_ZERO_OPS.index(by_edge[edge]) for edge in SUITE_ZERO_EDGES)

    @property
    def id(self) -> str:
        """The architecture string, the name under which scores and accuracies are kept."""
        return str(self)

    def __str__(self) -> str:
        nodes = []
        for target in (1, 2, 3):
            terms = (f"{op}~{i}" for (i, j), op in zip(EDGES, self.ops, strict=True) if j == target)
            nodes.append("|" + "|".join(terms) + "|")
        return "+".join(nodes)

    @property
    def used(self) -> frozenset[tuple[int, int]]:
        """Edges without those of `none` that lie on a path from input to output."""
        live = [edge for edge, op in zip(EDGES, self.ops, strict=True) if op != "none"]
        from_input, to_output = {0}, {3}
        # Edges lie in topological order of their targets, so one sweep each way is enough.
        for i, j in live:
            if i in from_input:
                from_input.add(j)
        for i, j in sorted(live, reverse=True):
            if j in to_output:
                to_output.add(i)
        return frozenset((i, j) for i, j in live if i in from_input and j in to_output)

    @property
    def reachable(self) -> bool:
        """Every edge whose operation is not `none` lies on a path from input to output.

        The filter behind the VKDNW paper's tables (arXiv:2502.04975) and GRAF. The
        cell without any such edge counts as reachable, as it does there.
        """
        return len(self.used) == len(EDGES) - self.ops.count("none")

    @property
    def isomorphism(self) -> str:
        """The official zero-aware string of the function that the cell computes.

        Equal strings: the same function (the converse holds up to the order in which
        the official code simplifies). 6,466 distinct strings over the space.
        """
        nodes = ["0"]
        for target in (1, 2, 3):
            terms = []
            for (i, j), op in zip(EDGES, self.ops, strict=True):
                if j != target:
                    continue
                if op == "none" or nodes[i] == "#":
                    terms.append("#")
                elif op == "skip_connect":
                    terms.append(nodes[i])
                else:
                    terms.append(f"({nodes[i]})@{op}")
            nodes.append("+".join(sorted(terms)))
        return nodes[3]


def _malformed(text: str, reason: str) -> str:
    return (
        f"malformed NAS-Bench-201 architecture {text!r}: {reason}; "
        "expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
    )


@functools.cache
def official_order() -> tuple[Cell, ...]:
    """All 15,625 cells in the official index order.

    The benchmark lists the Cartesian product and shuffles it with Python's generator
    seeded 88; the sequence of `random.Random(88).shuffle` has been stable since Python 3.2.
    """
    cells = [Cell(ops) for ops in itertools.product(OPS, repeat=len(EDGES))]  # type: ignore[arg-type]
    random.Random(_OFFICIAL_SHUFFLE_SEED).shuffle(cells)
    return tuple(cells)


@functools.cache
def official_index() -> Mapping[Cell, int]:
    """Official index of every cell."""
    return MappingProxyType({cell: index for index, cell in enumerate(official_order())})


@functools.cache
def _representatives() -> Mapping[tuple[str, tuple[int, int]], Cell]:
    """The first cell in official order of each `_kind`; there are 7,700."""
    return MappingProxyType({_kind(cell): cell for cell in reversed(official_order())})


def _kind(cell: Cell) -> tuple[str, tuple[int, int]]:
    """Isomorphism string and size (its counts of convolutions): what makes cells one network.

    Dead edges and duplicated branches leave the string alone and change the size, on which
    proxies depend.
    """
    return cell.isomorphism, (cell.ops.count("nor_conv_1x1"), cell.ops.count("nor_conv_3x3"))


def _unique() -> Iterator[Cell]:
    seen: set[str] = set()
    for cell in official_order():
        if cell.isomorphism not in seen:
            seen.add(cell.isomorphism)
            yield cell


@functools.cache
def _architectures(name: str) -> tuple[Cell, ...]:
    match name:
        case "all":
            return official_order()
        case "reachable":
            return tuple(cell for cell in official_order() if cell.reachable)
        case "unique":
            return tuple(_unique())
    known = ", ".join(NASBench201Space.sets)
    raise InputError(f"unknown NAS-Bench-201 set {name!r}; known: {known}")


class NASBench201Space:
    """NAS-Bench-201 as a `benchmarks.types.SearchSpace`."""

    datasets: Mapping[str, Dataset] = MappingProxyType(
        {
            d.name: d
            for d in (
                Dataset("cifar10", 10, 32, images=("cifar10",), split="ori-test"),
                Dataset("cifar10-valid", 10, 32, images=("cifar10",), split="x-valid"),
                Dataset("cifar100", 100, 32, images=("cifar100", "cifar10"), split="x-test"),
                Dataset("ImageNet16-120", 120, 16, images=("ImageNet16-120",), split="x-test"),
            )
        }
    )
    #: `reachable` (9,445 cells) is the set behind the papers' tables, hence the default;
    #: `all` has 15,625 cells, `unique` one for each of the 6,466 isomorphism strings.
    sets = ("reachable", "all", "unique")

    def architectures(self, name: str) -> tuple[Cell, ...]:
        """Cells of the set `name` in official index order.

        Raises:
            InputError: The set is unknown.
        """
        return _architectures(name)

    def recognises(self, text: str) -> bool:
        """Whether a text is meant to be an architecture string or an index."""
        text = text.strip()
        return text.startswith("|") or (text.isascii() and text.isdigit() and len(text) <= 9)

    def parse(self, text: str) -> Cell:
        """The cell named by an architecture string, an official index, or operation codes in
        the order of NAS-Bench-Suite-Zero, "(4, 0, 3, 1, 4, 3)".

        Raises:
            InputError: None of these.
        """
        text = text.strip()
        if _CODES.fullmatch(text):
            return Cell.from_suite_zero([int(code) for code in text[1:-1].split(",")])
        if text.isascii() and text.isdigit():
            cells = official_order()
            if len(text) > 9 or int(text) >= len(cells):
                raise InputError(f"NAS-Bench-201 index {text} is not in 0..{len(cells) - 1}")
            return cells[int(text)]
        return Cell.parse(text)

    def index(self, architecture: Cell) -> int:
        """Official index, 0..15,624."""
        return official_index()[architecture]

    def sample(self, rng: random.Random) -> Cell:
        """A uniformly random cell."""
        return Cell(tuple(rng.choice(OPS) for _ in EDGES))  # type: ignore[arg-type]

    def mutate(self, architecture: Cell, rng: random.Random) -> Cell:
        """The cell with the operation of one random edge replaced by another one."""
        edge = rng.randrange(len(EDGES))
        return _replace(architecture, edge, rng.choice(_others(architecture.ops[edge])))

    def neighbours(self, architecture: Cell) -> Iterator[Cell]:
        """The 24 cells that differ in the operation of one edge."""
        for edge, op in enumerate(architecture.ops):
            for other in _others(op):
                yield _replace(architecture, edge, other)

    def canonical(self, architecture: Cell) -> Cell:
        """The first cell in official order with the same isomorphism string and size."""
        return _representatives()[_kind(architecture)]

    def suite_zero_codes(self, architecture: Cell) -> tuple[int, ...]:
        """The six operation codes in the order of NAS-Bench-Suite-Zero."""
        return architecture.suite_zero

    def graph_features(self, architectures: Sequence[Cell]) -> pd.DataFrame:
        """GRAF features as the VKDNW paper's models take them (`graf.study_features`)."""
        from benchmarks.nasbench201 import graf

        return graf.study_features(architectures)

    def drawing(self, architecture: Cell) -> Graph:
        """The cell's graph: operations on its edges, pale where they do not reach the output."""
        from benchmarks.nasbench201.drawing import drawing

        return drawing(architecture)

    def costs(self, architecture: Cell, dataset: str) -> Costs:
        """Closed-form parameters, multiply-adds and parameter tensors.

        Multiply-adds are those of convolutions and the classifier (its bias included), as
        in the benchmark; batch norm, pooling and ReLU count nothing.

        Raises:
            InputError: The dataset is unknown.
        """
        task = self.dataset(dataset)
        n3 = architecture.ops.count("nor_conv_3x3")
        n1 = architecture.ops.count("nor_conv_1x1")
        taps, convs = 9 * n3 + n1, n3 + n1
        first, last = STAGE_CHANNELS[0], STAGE_CHANNELS[-1]

        params = first * 3 * 9 + 2 * first  # stem: convolution and batch norm
        flops = first * 3 * 9 * task.resolution**2
        for stage, width in enumerate(STAGE_CHANNELS):
            pixels = (task.resolution >> stage) ** 2
            params += CELLS_PER_STAGE * (taps * width**2 + 2 * width * convs)
            flops += CELLS_PER_STAGE * taps * width**2 * pixels
            if stage > 0:  # reduction: 3x3, 3x3 and the 1x1 shortcut
                narrow = STAGE_CHANNELS[stage - 1]
                weights = 9 * narrow * width + 9 * width**2 + narrow * width
                params += weights + 4 * width
                flops += weights * pixels
        params += 2 * last + last * task.classes + task.classes
        flops += last * task.classes + task.classes
        # Outside the cells: stem 3, two reductions of 7, last batch norm 2, classifier 2.
        layers = 21 + 3 * CELLS_PER_STAGE * len(STAGE_CHANNELS) * convs
        return Costs(params=params, flops=flops, layers=layers)

    def dataset(self, name: str) -> Dataset:
        """The task called `name`.

        Raises:
            InputError: The dataset is unknown.
        """
        if name not in self.datasets:
            raise InputError(
                f"unknown NAS-Bench-201 dataset {name!r}; known: {', '.join(self.datasets)}"
            )
        return self.datasets[name]

    def network(self, architecture: Cell, dataset: str) -> Network:
        """The cell's network; weights as PyTorch initialises them.

        Raises:
            InputError: The dataset is unknown.
        """
        from benchmarks.nasbench201.network import Network

        return Network(architecture, self.dataset(dataset).classes)


def _others(op: str) -> list[str]:
    return [other for other in OPS if other != op]


def _replace(cell: Cell, edge: int, op: str) -> Cell:
    ops = list(cell.ops)
    ops[edge] = op
    return Cell(tuple(ops))  # type: ignore[arg-type]
