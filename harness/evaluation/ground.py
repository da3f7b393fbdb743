"""What all rankings of the same architectures share: accuracies, sizes, resamples, and taus."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.metrics import Array, Indices, TauColumn, Weights

#: Size columns that every proxy is correlated with.
SIZES = ("params", "flops", "layers")
#: Share of the architectures that counts as "top" in the precision.
TOP_SHARE = 0.05
#: A ranking needs as many architectures; tau of fewer says nothing.
FEWEST = 3


@dataclass(frozen=True)
class Scores:
    """Scores of one proxy.

    Attributes:
        values: One row an architecture id, one column a seed; NaN where scoring failed.
        seconds: Mean seconds an architecture.
    """

    values: pd.DataFrame
    seconds: float

    def usable(self, truth: Accuracies) -> NDArray[np.bool_]:
        """Which rows have a finite score for every seed, and an accuracy."""
        finite = np.isfinite(self.values.to_numpy(dtype=float)).all(axis=1)
        return np.asarray(finite & self.values.index.isin(truth.values.index))


@dataclass(frozen=True)
class Measured:
    """A metric and its values under resampling.

    Attributes:
        value: On the architectures themselves.
        drawn: (resamples,) values.
    """

    value: float
    drawn: Array


class Ground:
    """What all proxies on the same architectures share: accuracies, sizes, resamples.

    Args:
        archs: Architecture ids; columns to `rank` have their order.
        truth: Accuracies of all of them.
        sizes: Columns `SIZES` of all of them, indexed by architecture id.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap and of the order of equal scores.
    """

    def __init__(
        self, archs: pd.Index, truth: Accuracies, sizes: pd.DataFrame, resamples: int, seed: int
    ) -> None:
        self.seed = seed
        self.accuracies: Array = np.asarray(truth.values.loc[archs], dtype=float)
        self.sizes: dict[str, Array] = {
            name: np.asarray(sizes.loc[archs, name], dtype=float) for name in SIZES
        }
        self.weights: Weights = metrics.bootstrap_weights(len(archs), resamples, seed)
        self._columns: dict[bytes, TauColumn] = {}
        self._taus: dict[tuple[bytes, bytes], Measured] = {}

    def tau(self, x: Array, y: Array) -> Measured:
        """Tau of two columns; computed once for a pair of rankings."""
        a, b = sorted((_ranks(x).tobytes(), _ranks(y).tobytes()))
        if (a, b) not in self._taus:
            for column, fingerprint in ((x, _ranks(x).tobytes()), (y, _ranks(y).tobytes())):
                if fingerprint not in self._columns:
                    self._columns[fingerprint] = metrics.tau_column(column, self.weights)
            drawn = metrics.bootstrap_tau(self._columns[a], self._columns[b], self.weights)
            self._taus[a, b] = Measured(metrics.kendall_tau(x, y), drawn)
        return self._taus[a, b]

    def rank(self, scores: Array, top: int) -> Ranking:
        """A column of scores on this ground.

        Args:
            scores: (n,), finite.
            top: P of the nDCG.
        """
        return Ranking(self, scores, top)


@dataclass(frozen=True)
class Ranking:
    """A column of scores on a ground: what a metric is a function of.

    Attributes:
        ground: Accuracies, sizes and resamples.
        scores: (n,), finite, in the order of the ground's architectures.
        top: P of the nDCG.
    """

    ground: Ground
    scores: Array
    top: int

    @property
    def tau(self) -> Measured:
        """Kendall's tau to the accuracies."""
        return self.ground.tau(self.scores, self.ground.accuracies)

    def tau_to(self, size: str) -> Measured:
        """Kendall's tau to one of `SIZES`."""
        return self.ground.tau(self.scores, self.ground.sizes[size])

    def tau_of(self, size: str) -> Measured:
        """Kendall's tau of one of `SIZES` to the accuracies: what size alone would get."""
        return self.ground.tau(self.ground.sizes[size], self.ground.accuracies)

    @functools.cached_property
    def at_top(self) -> dict[str, Array]:
        """Of `metrics.bootstrap_top`, for all that need it."""
        ground = self.ground
        return metrics.bootstrap_top(
            self.scores, ground.accuracies, ground.weights,
            top=self.top, share=TOP_SHARE, tie_seed=ground.seed,
        )  # fmt: skip


def _ranks(values: Array) -> Indices:
    ranks: NDArray[np.intp] = np.unique(values, return_inverse=True)[1]
    return ranks
