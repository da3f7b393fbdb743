"""The enumeration against the benchmark's own walk, and its file."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.errors import InputError
from benchmarks.nasbench101.architecture import INPUT, OPS, OUTPUT, Cell
from benchmarks.nasbench101.enumeration import FILE, SIZE, Enumeration, read, write


@pytest.mark.slow
def test_the_space_has_423624_cells(enumerated: Enumeration) -> None:
    assert len(enumerated) == SIZE == 423_624
    assert len(set(enumerated.hashes)) == SIZE
    rows = np.random.RandomState(0).choice(SIZE, 2000, replace=False)
    for row in rows:
        cell = enumerated[int(row)]
        again = Cell.of(cell.matrix, cell.ops)
        assert (again.id, again.matrix, again.ops) == (cell.id, cell.matrix, cell.ops)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_order_and_graphs_are_those_of_the_benchmarks_walk(
    enumerated: Enumeration, size: int
) -> None:
    """Its walk hashes every graph and keeps the first of each hash."""
    pairs = [(i, j) for j in range(size) for i in range(j)]
    first: dict[str, Cell] = {}
    for bits in range(1 << len(pairs)):
        matrix = [[0] * size for _ in range(size)]
        for place, (i, j) in enumerate(pairs):
            matrix[i][j] = bits >> place & 1
        if sum(map(sum, matrix)) > 9 or not all(map(any, matrix[:-1])):
            continue
        if not all(any(row[j] for row in matrix) for j in range(1, size)):
            continue
        for ops in itertools.product(OPS, repeat=size - 2):
            cell = Cell.of(matrix, [INPUT, *ops, OUTPUT])
            first.setdefault(cell.id, cell)
    rows = np.flatnonzero(enumerated.vertices == size)
    found = [enumerated[int(row)] for row in rows]
    assert [(c.id, c.matrix, c.ops) for c in found] == [
        (c.id, c.matrix, c.ops) for c in first.values()
    ]


@pytest.mark.slow
def test_file_gives_the_same_cells(nasbench101_cells: Enumeration, cache: Path) -> None:
    path = cache / FILE
    assert path.stat().st_size < 12e6
    again = read(path)
    assert list(again.hashes) == list(nasbench101_cells.hashes)
    assert again[SIZE - 1].matrix == nasbench101_cells[-1].matrix
    assert again[5:8] == nasbench101_cells[5:8]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match=rf"{FILE}.*delete it"):
        read(path)
    one = np.zeros(1, dtype=np.uint8)
    write(Enumeration([bytes(16)], one, one.astype(np.uint32), one), path)
    with pytest.raises(InputError, match="1 cells, not 423,624"):
        read(path)
