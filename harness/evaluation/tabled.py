"""A paper's table regenerated: a result that is data, without store, scores or figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.published import Published

#: Architectures on which forward passes are timed.
TIMED = 8


@dataclass(frozen=True)
class TableResult:
    """Every method of a paper's table beside the published figures.

    Attributes:
        table: One row a method and dataset: of `harness.evaluation.published.compare`.
        correlations: One row a dataset and pair of methods: `dataset`, `a`, `b`, `n`,
            `kendall_tau`.
        cost: One row a dataset and method: `dataset`, `method`, `n`, `milliseconds`,
            `forward_passes` (NaN: not known), `batch`, `device`.
        protocol: By dataset, lines that say what its figures rest on.
        forward: By dataset, milliseconds of a forward pass.
        facts: What identifies the protocol, plain data.
        published: The paper's table.
    """

    table: pd.DataFrame
    correlations: pd.DataFrame
    cost: pd.DataFrame
    protocol: Mapping[str, Sequence[str]]
    forward: Mapping[str, float]
    facts: dict[str, Any]
    published: Published

    @property
    def matrices(self) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
        """By dataset, tau and number of architectures of every pair, square."""
        return {
            str(dataset): (_square(rows, "kendall_tau", 1.0), _square(rows, "n", 0).astype(int))
            for dataset, rows in self.correlations.groupby("dataset", sort=False)
        }


def correlation_long(matrices: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """Correlations of `harness.evaluation.correlations` by dataset, one row a pair."""
    rows = []
    for dataset, (tau, count) in matrices.items():
        names = list(map(str, tau.columns))
        taus, counts = tau.to_numpy(dtype=float), count.to_numpy(dtype=int)
        for i, a in enumerate(names):
            for j, b in enumerate(names[i + 1 :], start=i + 1):
                rows.append((dataset, a, b, counts[i, j], taus[i, j]))
    return pd.DataFrame(rows, columns=["dataset", "a", "b", "n", "kendall_tau"])


def _square(rows: pd.DataFrame, column: str, diagonal: float) -> pd.DataFrame:
    """The symmetric matrix of a column of pairs, names in the order in which they come."""
    names = list(dict.fromkeys([*rows["a"], *rows["b"]]))
    square = pd.DataFrame(diagonal, index=names, columns=names, dtype=float)
    for a, b, value in zip(rows["a"], rows["b"], rows[column], strict=True):
        square.loc[a, b] = square.loc[b, a] = value
    # What agrees with nothing, for want of scores, does not agree with itself either.
    for name in names:
        if square.loc[name].drop(name).isna().all():
            square.loc[name, name] = np.nan
    return square
