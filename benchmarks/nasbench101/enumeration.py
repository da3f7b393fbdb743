"""All 423,624 cells of NAS-Bench-101, without duplicates, in the order of the benchmark.

The benchmark walks graphs by number of vertices, adjacency bits and operations, and keeps the
first of each class of isomorphic ones. That first graph is the one it trained, and its vertex
order matters: the channels are split by it. Here only the first of each class is ever made: graphs
whose bits are the smallest among their relabellings, with operations that are the smallest under
the graph's automorphisms. It is done once, and cached as Parquet.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks import data
from benchmarks.errors import InputError
from benchmarks.nasbench101.architecture import (
    INPUT,
    MAX_EDGES,
    MAX_VERTICES,
    OPS,
    OUTPUT,
    Cell,
    Matrix,
    module_hash,
)

FILE = "nasbench101-cells.parquet"
#: Cells of the space.
SIZE = 423_624


class Enumeration(Sequence[Cell]):
    """The cells, in columns; a `Cell` is made when asked for.

    Args:
        hashes: Module hashes, (n,) of 16 bytes.
        vertices: Number of vertices, (n,).
        bits: Adjacency, (n,): bit i + j (j - 1) / 2 is the edge from i to j.
        ops: Operations between input and output, (n,): digits of base 3, the first the highest.
    """

    def __init__(
        self,
        hashes: Sequence[bytes],
        vertices: NDArray[np.uint8],
        bits: NDArray[np.uint32],
        ops: NDArray[np.uint8],
    ) -> None:
        self.hashes, self.vertices, self.bits, self.ops = hashes, vertices, bits, ops

    def __len__(self) -> int:
        return len(self.hashes)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | list[Cell]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        size = int(self.vertices[index])
        ops = (INPUT, *_labelling(int(self.ops[index]), size - 2), OUTPUT)
        return Cell(self.hashes[index].hex(), _matrix(size, int(self.bits[index])), ops)

    @functools.cached_property
    def _rows(self) -> dict[bytes, int]:
        return {digest: row for row, digest in enumerate(self.hashes)}

    def __contains__(self, cell: object) -> bool:
        return isinstance(cell, Cell) and bytes.fromhex(cell.id) in self._rows

    def cell(self, digest: str) -> Cell:
        """The cell with a module hash.

        Raises:
            InputError: There is none.
        """
        row = self._rows.get(bytes.fromhex(digest))
        if row is None:
            raise InputError(f"no NAS-Bench-101 cell has the hash {digest}; see that it is whole")
        return self[row]

    def representative(self, cell: Cell) -> Cell:
        """The graph that the benchmark trained, isomorphic to the cell's."""
        return self.cell(cell.id)


@functools.cache
def _matrix(size: int, bits: int) -> Matrix:
    return tuple(
        tuple(bits >> _bit(i, j) & 1 if i < j else 0 for j in range(size)) for i in range(size)
    )


@functools.cache
def _labelling(code: int, length: int) -> tuple[str, ...]:
    return tuple(OPS[code // 3 ** (length - 1 - place) % 3] for place in range(length))


def _bit(i: int, j: int) -> int:
    return i + j * (j - 1) // 2


@functools.cache
def enumeration() -> Enumeration:
    """All cells: from the cache, or enumerated and put there (a minute, once)."""
    path = data.cache_folder() / FILE
    if path.is_file():
        return read(path)
    made = enumerate_cells()
    write(made, path)
    return made


def enumerate_cells() -> Enumeration:
    """Enumerate the space anew."""
    found = [
        (bytes.fromhex(module_hash(_matrix(size, bits), ops)), size, bits, code)
        for size in range(2, MAX_VERTICES + 1)
        for bits, code, ops in _first_of_each(size)
    ]
    hashes, vertices, bits, codes = zip(*found, strict=True)
    return Enumeration(
        hashes,
        np.array(vertices, dtype=np.uint8),
        np.array(bits, dtype=np.uint32),
        np.array(codes, dtype=np.uint8),
    )


def _first_of_each(size: int) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Adjacency bits, code and operations of the first graph of each class, in order."""
    inner = size - 2
    labellings = [(INPUT, *_labelling(code, inner), OUTPUT) for code in range(3**inner)]
    permutations = list(itertools.permutations(range(1, size - 1)))
    relabelled = _relabelled_codes(permutations, inner)
    for bits, automorphic in _smallest(size, permutations):
        firsts = (relabelled[automorphic] >= np.arange(3**inner)).all(axis=0)
        for code in np.flatnonzero(firsts):
            yield bits, int(code), labellings[code]


def _relabelled_codes(permutations: Sequence[tuple[int, ...]], inner: int) -> NDArray[np.int64]:
    """Code of each labelling with its vertices permuted, (permutations, 3^inner)."""
    codes = np.arange(3**inner)
    digits = np.array([codes // 3 ** (inner - 1 - place) % 3 for place in range(inner)])
    result = np.zeros((len(permutations), len(codes)), dtype=np.int64)
    for row, permutation in enumerate(permutations):
        for place, target in enumerate(permutation):  # vertex place + 1 becomes `target`
            result[row] += digits[place] * 3 ** (inner - target)
    return result


def _smallest(
    size: int, permutations: Sequence[tuple[int, ...]]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Graphs whose bits are the smallest of their class, each with its automorphisms."""
    pairs = [(i, j) for j in range(size) for i in range(j)]
    graphs = np.arange(1 << len(pairs), dtype=np.int64)
    edges = {(i, j): (graphs >> _bit(i, j) & 1).astype(bool) for i, j in pairs}
    allowed = sum(edge.astype(np.int64) for edge in edges.values()) <= MAX_EDGES
    for v in range(size):
        if v > 0:
            allowed &= np.logical_or.reduce([edges[i, v] for i in range(v)])
        if v < size - 1:
            allowed &= np.logical_or.reduce([edges[v, j] for j in range(v + 1, size)])
    graphs = graphs[allowed]
    edges = {pair: edge[allowed] for pair, edge in edges.items()}
    smallest = np.ones(len(graphs), dtype=bool)
    automorphic = np.zeros((len(permutations), len(graphs)), dtype=bool)
    for row, permutation in enumerate(permutations):
        place = (0, *permutation, size - 1)
        moved = np.zeros(len(graphs), dtype=np.int64)
        backward = np.zeros(len(graphs), dtype=bool)  # no longer upper triangular
        for (i, j), edge in edges.items():
            if place[i] < place[j]:
                moved |= edge.astype(np.int64) << _bit(place[i], place[j])
            else:
                backward |= edge
        smallest &= backward | (moved >= graphs)
        automorphic[row] = ~backward & (moved == graphs)
    for index in np.flatnonzero(smallest):
        yield int(graphs[index]), automorphic[:, index]


# ------------------------------------------------------------------ the cached file


def write(cells: Enumeration, path: Path) -> None:
    """Write the enumeration as Parquet (8 MB); whole or not at all."""
    columns = {
        "hash": pa.array(cells.hashes, pa.binary(16)),
        "vertices": pa.array(cells.vertices),
        "adjacency": pa.array(cells.bits),
        "ops": pa.array(cells.ops),
    }
    with data.replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def read(path: Path) -> Enumeration:
    """An enumeration that `write` has written.

    Raises:
        InputError: The file is damaged or something else.
    """
    try:
        table = pq.read_table(path)
        cells = Enumeration(
            table["hash"].to_pylist(),
            table["vertices"].to_numpy(),
            table["adjacency"].to_numpy(),
            table["ops"].to_numpy(),
        )
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path} is no readable list of cells: {error}; delete it") from error
    if len(cells) != SIZE:
        raise InputError(f"{path} lists {len(cells):,} cells, not {SIZE:,}; delete it")
    return cells
