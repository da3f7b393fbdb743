"""Moves between NAS-Bench-201 cells: one edge gets another operation."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.nasbench201.architecture import EDGES, OPS, Cell


def sample(rng: random.Random) -> Cell:
    """A uniformly random cell."""
    return Cell(tuple(rng.choice(OPS) for _ in EDGES))  # type: ignore[arg-type]


def mutate(cell: Cell, rng: random.Random) -> Cell:
    """The cell with the operation of one random edge replaced by another one."""
    edge = rng.randrange(len(EDGES))
    return _replace(cell, edge, rng.choice(_others(cell.ops[edge])))


def neighbours(cell: Cell) -> Iterator[Cell]:
    """The 24 cells that differ in the operation of one edge."""
    for edge, op in enumerate(cell.ops):
        for other in _others(op):
            yield _replace(cell, edge, other)


def _others(op: str) -> list[str]:
    return [other for other in OPS if other != op]


def _replace(cell: Cell, edge: int, op: str) -> Cell:
    ops = list(cell.ops)
    ops[edge] = op
    return Cell(tuple(ops))  # type: ignore[arg-type]
