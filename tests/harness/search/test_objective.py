"""Ranks carried on, against ranking the whole history anew."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.aggregates import RULES, parse_aggregate
from harness.search import Formula, Objective

NAN, INF = math.nan, math.inf
values = st.sampled_from([NAN, -INF, INF, *np.linspace(-2, 2, 5)])
rows = st.lists(st.tuples(values, values, values), min_size=1, max_size=30)


@given(rows, st.sampled_from(sorted(RULES)), st.integers(0, 30))
def test_equals_the_aggregate_of_the_whole_history(
    table: list[tuple[float, float, float]], rule: str, at_once: int
) -> None:
    aggregate = parse_aggregate(f"{rule}(a,b,c)")
    objective = Objective(Formula(rule, ("a", "b", "c")))
    objective.extend(table[:at_once])
    for end in range(len(table[:at_once]), len(table)):
        objective.add(table[end])
        columns = dict(zip("abc", zip(*table[: end + 1], strict=True), strict=True))
        np.testing.assert_array_equal(objective.scores, aggregate(columns))


@given(rows)
def test_aggregates_of_aggregates(table: list[tuple[float, float, float]]) -> None:
    objective = Objective(Formula("rank", (Formula("log-rank", ("a", "b")), "c", "a")))
    assert objective.members == ("a", "b", "c")
    for row in table:
        objective.add(row)
    a, b, c = zip(*table, strict=True)
    inner = RULES["log-rank"]({"a": a, "b": b})
    expected = RULES["rank"]({"inner": inner, "c": c, "a": a})
    np.testing.assert_array_equal(objective.scores, expected)


def test_a_single_score_stays_as_it_is_and_a_failure_is_the_worst() -> None:
    objective = Objective("a")
    for value in (1.5, NAN, -7.0):
        objective.add([value])
    assert objective.scores.tolist() == [1.5, -INF, -7.0]


def test_wants_a_value_for_every_member() -> None:
    with pytest.raises(ValueError, match="argument"):
        Objective(Formula("rank", ("a", "b"))).add([1.0])


def test_is_much_faster_than_ranking_anew() -> None:
    """At 20,000 by five columns; a ratio of the same run, so the machine does not matter."""
    table = np.random.default_rng(0).normal(size=(20_000, 5))
    objective = Objective(Formula("log-rank", tuple("abcde")))
    objective.extend(table.tolist())
    aggregate = parse_aggregate("log-rank(a,b,c,d,e)")

    def carried() -> None:
        objective.add([0.0] * 5)
        _ = objective.scores

    def anew() -> None:
        aggregate(dict(zip("abcde", table.T, strict=True)))

    def fastest(work: object) -> float:
        times = []
        for _ in range(5):
            started = time.process_time()
            work()  # type: ignore[operator]
            times.append(time.process_time() - started)
        return min(times)

    assert fastest(carried) < fastest(anew) / 2
