"""Moves between NAS-Bench-101 cells: one edge or one operation of the trained graph."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from benchmarks.errors import InputError
from benchmarks.nasbench101 import enumeration
from benchmarks.nasbench101.architecture import MAX_VERTICES, OPS, Cell


def sample(rng: random.Random) -> Cell:
    """A uniformly random cell."""
    cells = enumeration.enumeration()
    return cells[rng.randrange(len(cells))]


def mutate(cell: Cell, rng: random.Random) -> Cell:
    """A random neighbour, all equally likely."""
    found = list(neighbours(cell))
    return rng.choice(found)


def neighbours(cell: Cell) -> Iterator[Cell]:
    """All other cells that one edge or one operation makes of the trained graph, each once.

    Vertices that an edge's removal leaves dead go with it. And one may come: a dead vertex of
    any operation that hangs on vertex i is part of the graph as soon as an edge leads from it
    to a later vertex j, which is how the space is walked without pruned vertices being kept.
    """
    seen = {cell.id}
    for matrix, ops in _edits(cell):
        try:
            made = Cell.of(matrix, ops)
        except InputError:  # too many edges, or no path left
            continue
        if made.id not in seen:
            seen.add(made.id)
            yield enumeration.enumeration().representative(made)


def _edits(cell: Cell) -> Iterator[tuple[Sequence[Sequence[int]], Sequence[str]]]:
    size = len(cell.matrix)
    for i in range(size):
        for j in range(i + 1, size):
            matrix = [list(row) for row in cell.matrix]
            matrix[i][j] = 1 - matrix[i][j]
            yield matrix, cell.ops
            if size < MAX_VERTICES:
                matrix = [[*row[: i + 1], 0, *row[i + 1 :]] for row in cell.matrix]
                matrix.insert(i + 1, [0] * (j + 1) + [1] + [0] * (size - j - 1))
                matrix[i][i + 1] = 1
                for op in OPS:
                    yield matrix, (*cell.ops[: i + 1], op, *cell.ops[i + 1 :])
    for vertex in range(1, size - 1):
        for op in OPS:
            if op != cell.ops[vertex]:
                yield cell.matrix, (*cell.ops[:vertex], op, *cell.ops[vertex + 1 :])
