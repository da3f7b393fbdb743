"""The objective of a search: a score, or an aggregate that ranks the whole history anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.evaluation.aggregates import average_ranks, join_ranks
from harness.evaluation.metrics import Array


@dataclass(frozen=True)
class Formula:
    """An aggregate of columns, as a tree.

    Attributes:
        rule: Of `harness.evaluation.aggregates.RULES`.
        members: Names of columns, or other aggregates.
    """

    rule: str
    members: tuple[str | Formula, ...]


class Objective:
    """Current scores of everything that a search has scored.

    Equal to `harness.evaluation.aggregates` on the whole history, duplicates and all, but the
    ranks are carried on: one more architecture costs O(n) and no sorting (milliseconds at 100,000).

    Args:
        formula: The name of a column, or an aggregate.

    Attributes:
        members: Names of the columns, in the order in which `add` takes their values.

    >>> objective = Objective(Formula("rank", ("a", "b")))
    >>> for values in ((1, float("nan")), (2, 5), (3, 4)):
    ...     objective.add(values)
    >>> objective.scores.tolist()
    [2.0, 5.0, 5.0]
    """

    def __init__(self, formula: str | Formula) -> None:
        self._formula = formula
        self.members = tuple(dict.fromkeys(_leaves(formula)))
        self._columns = {name: _Column() for name in self.members}

    def add(self, values: Sequence[float]) -> None:
        """One more architecture: its value in each column, NaN where it failed."""
        for column, value in zip(self._columns.values(), values, strict=True):
            column.add(value)

    def extend(self, rows: Sequence[Sequence[float]]) -> None:
        """Many more, as `add` each; ranked once."""
        for column, values in zip(self._columns.values(), zip(*rows, strict=True), strict=False):
            column.extend(values)

    @property
    def scores(self) -> Array:
        """(n,), higher is better; -inf for a failed score, which no aggregate gives."""
        return self._scores(self._formula)

    def _scores(self, formula: str | Formula) -> Array:
        if isinstance(formula, str):
            return self._columns[formula].values
        return join_ranks(formula.rule, np.array([self._ranks(m) for m in formula.members]))

    def _ranks(self, formula: str | Formula) -> Array:
        if isinstance(formula, str):
            return self._columns[formula].ranks
        return average_ranks(self._scores(formula))


def _leaves(formula: str | Formula) -> list[str]:
    if isinstance(formula, str):
        return [formula]
    return [leaf for member in formula.members for leaf in _leaves(member)]


class _Column:
    """Values and their `average_ranks`, growing."""

    def __init__(self) -> None:
        self._values, self._ranks, self._n = np.empty(64), np.empty(64), 0

    @property
    def values(self) -> Array:
        return self._values[: self._n]

    @property
    def ranks(self) -> Array:
        return self._ranks[: self._n]

    def add(self, value: float) -> None:
        value = -np.inf if np.isnan(value) else value
        above, level = self.values > value, self.values == value
        self.ranks[above] += 1
        self.ranks[level] += 0.5
        equal = np.count_nonzero(level)
        below = self._n - np.count_nonzero(above) - equal
        self._append([value], [below + (equal + 2) / 2])

    def extend(self, values: Sequence[float]) -> None:
        column = np.asarray(values, dtype=float)
        column = np.where(np.isnan(column), -np.inf, column)
        self._append(column, np.empty(len(column)))
        self._ranks[: self._n] = average_ranks(self.values)

    def _append(self, values: Sequence[float] | Array, ranks: Sequence[float] | Array) -> None:
        end = self._n + len(values)
        if end > len(self._values):
            size = max(end, 2 * len(self._values))
            self._values = np.concatenate([self.values, np.empty(size - self._n)])
            self._ranks = np.concatenate([self.ranks, np.empty(size - self._n)])
        self._values[self._n : end], self._ranks[self._n : end] = values, ranks
        self._n = end
