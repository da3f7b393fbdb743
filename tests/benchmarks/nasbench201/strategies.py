"""Random cells for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from benchmarks.nasbench201.architecture import OPS, Cell

_op = st.sampled_from(OPS)

cells: st.SearchStrategy[Cell] = st.tuples(_op, _op, _op, _op, _op, _op).map(Cell)
