"""Hypothesis strategies for NAS-Bench-101."""

from __future__ import annotations

from hypothesis import strategies as st

from benchmarks.errors import InputError
from benchmarks.nasbench101.architecture import INPUT, MAX_VERTICES, OPS, OUTPUT, Cell

#: Every operation, a sum, a concatenation of unequal parts, projections.
BRANCHED = Cell.of(
    [
        [0, 1, 1, 0, 1],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 1, 1],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0],
    ],
    ["input", OPS[0], OPS[2], OPS[1], "output"],
)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[list[int]], list[str]]:
    """Upper triangular matrices with operations; not all are cells."""
    size = draw(st.integers(2, MAX_VERTICES))
    matrix = [[draw(st.integers(0, 1)) if i < j else 0 for j in range(size)] for i in range(size)]
    ops = [draw(st.sampled_from(OPS)) for _ in range(size - 2)]
    return matrix, [INPUT, *ops, OUTPUT]


@st.composite
def _cells(draw: st.DrawFn) -> Cell:
    try:
        return Cell.of(*draw(graphs()))
    except InputError:
        # Too many edges, or no path from input to output; a path makes it one.
        return Cell.of(
            [[0, 1, 0], [0, 0, 1], [0, 0, 0]], [INPUT, draw(st.sampled_from(OPS)), OUTPUT]
        )


#: Random cells, in any order of their vertices.
cells = _cells()
