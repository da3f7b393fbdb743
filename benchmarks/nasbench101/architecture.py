"""NAS-Bench-101 cells: at most 7 vertices and 9 edges (Ying et al., arXiv:1902.09635).

A cell is a directed acyclic graph from `input` to `output`, an operation on each vertex between.
Isomorphic graphs are one cell, named by the published hash; the graph that the benchmark
trained represents it (`benchmarks.nasbench101.enumeration`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.errors import InputError

INPUT, OUTPUT = "input", "output"
#: Operations in the order of the hash's labels 0, 1, 2.
OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
MAX_VERTICES = 7
MAX_EDGES = 9
STEM_CHANNELS = 128
STACKS = 3
CELLS_PER_STACK = 3
#: Operations by their code in NAS-Bench-Suite-Zero.
SUITE_ZERO_OPS = (INPUT, OUTPUT, "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu")
_LABELS = {INPUT: -1, OUTPUT: -2} | {op: label for label, op in enumerate(OPS)}
_REMEDY = (
    f"a cell has 2 to {MAX_VERTICES} vertices, at most {MAX_EDGES} edges, each from an earlier "
    f"vertex to a later one, and the operations input, {', '.join(OPS)}, output"
)
Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell without dead vertices; cells with isomorphic graphs are equal.

    Attributes:
        id: The module hash of the benchmark, 32 hexadecimal digits.
        matrix: Upper triangular adjacency, (V, V) of 0 and 1; vertex 0 is the input, the last
            the output.
        ops: Operation of each vertex, `input` and `output` among them.
    """

    id: str
    matrix: Matrix = field(compare=False)
    ops: tuple[str, ...] = field(compare=False)

    @classmethod
    def of(cls, matrix: Sequence[Sequence[int]], ops: Sequence[str]) -> Cell:
        """The cell of a graph; vertices off every path from input to output are removed.

        Args:
            matrix: Adjacency, (V, V) of 0 and 1.
            ops: Operation of each vertex.

        Raises:
            InputError: The graph is no cell: too large, cyclic, disconnected, or with
                an unknown operation.

        >>> Cell.of([[0, 1], [0, 0]], ["input", "output"]).id
        '043721b9c7fe8c5fad811d47d83132ec'
        """
        rows = tuple(tuple(int(entry) for entry in row) for row in matrix)
        labels = tuple(ops)
        _check(rows, labels)
        kept = sorted(_from_input(rows) & _to_output(rows))
        if len(kept) < 2 or kept[0] != 0 or kept[-1] != len(rows) - 1:
            raise InputError(f"no path leads from input to output in {_text(rows, labels)}")
        pruned = tuple(tuple(rows[i][j] for j in kept) for i in kept)
        if sum(map(sum, pruned)) > MAX_EDGES:
            raise _no_cell(rows, labels, f"{sum(map(sum, pruned))} edges")
        left = tuple(labels[i] for i in kept)
        return cls(module_hash(pruned, left), pruned, left)

    @classmethod
    def from_suite_zero(cls, codes: Sequence[int]) -> Cell:
        """Read the codes of NAS-Bench-Suite-Zero: V x V adjacency, row by row, then V operations
        as places in `SUITE_ZERO_OPS`.

        Raises:
            InputError: The numbers are no cell.
        """
        size = next((v for v in range(2, MAX_VERTICES + 1) if v * v + v == len(codes)), 0)
        if not size or any(code not in range(len(SUITE_ZERO_OPS)) for code in codes[size**2 :]):
            raise InputError(
                f"{tuple(codes)} is no NAS-Bench-101 cell: expected V x V adjacency entries, then "
                f"V operation codes in 0..{len(SUITE_ZERO_OPS) - 1}, V at most {MAX_VERTICES}"
            )
        matrix = [codes[row * size : (row + 1) * size] for row in range(size)]
        return cls.of(matrix, [SUITE_ZERO_OPS[code] for code in codes[size**2 :]])

    @property
    def hash(self) -> str:
        """The module hash, by which the benchmark names the cell."""
        return self.id

    def __str__(self) -> str:
        return self.id

    @property
    def edges(self) -> int:
        """Number of edges."""
        return sum(map(sum, self.matrix))

    def predecessors(self, vertex: int) -> list[int]:
        """Vertices with an edge to `vertex`, ascending."""
        return [i for i in range(vertex) if self.matrix[i][vertex]]


def module_hash(matrix: Matrix, ops: Sequence[str]) -> str:
    """The published hash of a pruned graph; isomorphic graphs have the same.

    Each vertex starts as md5 of its degrees and label; V times, it is joined with the
    sorted hashes of its predecessors and successors (the benchmark's `graph_util`).
    """
    size = range(len(matrix))
    successors = [[j for j in size if matrix[i][j]] for i in size]
    predecessors = [[i for i in size if matrix[i][j]] for j in size]
    hashes = [_vertex_hash(len(successors[v]), len(predecessors[v]), _LABELS[ops[v]]) for v in size]
    for _ in size:
        hashes = [
            _md5(
                "".join(sorted([hashes[i] for i in predecessors[v]]))
                + "|"
                + "".join(sorted([hashes[j] for j in successors[v]]))
                + "|"
                + hashes[v]
            )
            for v in size
        ]
    return _md5(str(sorted(hashes)))


@functools.cache
def _vertex_hash(out_degree: int, in_degree: int, label: int) -> str:
    return _md5(str((out_degree, in_degree, label)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _check(matrix: Matrix, ops: Sequence[str]) -> None:
    size = len(matrix)
    if not 2 <= size <= MAX_VERTICES or len(ops) != size or any(len(r) != size for r in matrix):
        raise _no_cell(matrix, ops, f"{size} rows and {len(ops)} operations")
    for row, entries in enumerate(matrix):
        for column, entry in enumerate(entries):
            if entry not in (0, 1):
                raise _no_cell(matrix, ops, f"the entry {entry}")
            if entry and column <= row:
                raise _no_cell(
                    matrix, ops, f"an edge from vertex {row} to {column}, which makes it cyclic"
                )
    if ops[0] != INPUT or ops[-1] != OUTPUT:
        raise _no_cell(matrix, ops, f"{ops[0]!r} first and {ops[-1]!r} last")
    unknown = [op for op in ops[1:-1] if op not in OPS]
    if unknown:
        raise _no_cell(matrix, ops, f"the unknown operation {unknown[0]!r}")


def _no_cell(matrix: Matrix, ops: Sequence[str], reason: str) -> InputError:
    return InputError(f"{_text(matrix, ops)} is no NAS-Bench-101 cell, it has {reason}; {_REMEDY}")


def _text(matrix: Matrix, ops: Sequence[str]) -> str:
    return f"{'/'.join(''.join(map(str, row)) for row in matrix)} {','.join(map(str, ops))}"


def _from_input(matrix: Matrix) -> set[int]:
    reached = {0}
    for j in range(len(matrix)):
        if any(matrix[i][j] for i in reached):
            reached.add(j)
    return reached


def _to_output(matrix: Matrix) -> set[int]:
    reached = {len(matrix) - 1}
    for i in reversed(range(len(matrix))):
        if any(matrix[i][j] for j in reached):
            reached.add(i)
    return reached


def vertex_channels(cell: Cell, c_in: int, c_out: int) -> list[int]:
    """Output channels of every vertex.

    Vertices that feed the output share its channels, the first ones taking the remainder; the
    others have as many as the widest vertex they feed.

    >>> path = Cell.of([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4],
    ...                ["input", "maxpool3x3", "conv1x1-bn-relu", "output"])
    >>> vertex_channels(path, 128, 129)
    [128, 65, 64, 129]
    """
    last = len(cell.matrix) - 1
    channels = [c_in, *[0] * (last - 1), c_out]
    feeding = [v for v in cell.predecessors(last) if v != 0]
    for place, v in enumerate(feeding):
        channels[v] = c_out // len(feeding) + (place < c_out % len(feeding))
    for v in reversed(range(1, last)):
        if not cell.matrix[v][last]:
            channels[v] = max(channels[w] for w in range(v + 1, last) if cell.matrix[v][w])
    return channels
