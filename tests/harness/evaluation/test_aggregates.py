"""Rank aggregates against a literal version, and the laws that they obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.errors import InputError
from harness.evaluation.aggregates import (
    AGGREGATES,
    RULES,
    Aggregate,
    average_ranks,
    log_rank,
    parse_aggregate,
    rank_sum,
)

NAN, INF = math.nan, math.inf
# Few distinct values, so that ties and failures are common.
values = st.sampled_from([NAN, -INF, INF, *np.linspace(-3, 3, 7)])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[float]]:
    n = draw(st.integers(1, 12))
    members = draw(st.integers(1, 4))
    column = st.lists(values, min_size=n, max_size=n)
    return {f"m{k}": draw(column) for k in range(members)}


def literal_rank(column: list[float], item: int) -> float:
    """Rank of one item: those worse, and half of the others that are as good."""

    def of(value: float) -> float:
        return -INF if math.isnan(value) else value

    worse = sum(of(other) < of(column[item]) for other in column)
    equal = sum(of(other) == of(column[item]) for other in column)
    return worse + (equal + 1) / 2


@given(tables())
def test_rules_are_the_literal_ones(table: dict[str, list[float]]) -> None:
    n = len(table["m0"])
    ranks = [[literal_rank(column, item) for item in range(n)] for column in table.values()]
    logs = [sum(math.log(each[item] / n) for each in ranks) for item in range(n)]
    np.testing.assert_allclose(log_rank(table), logs, rtol=0, atol=1e-12)
    assert rank_sum(table).tolist() == [sum(each[item] for each in ranks) for item in range(n)]


@given(tables(), st.randoms(use_true_random=False), st.sampled_from(sorted(RULES)))
def test_the_order_of_architectures_and_members_is_all_one(
    table: dict[str, list[float]], rng: object, rule: str
) -> None:
    n = len(table["m0"])
    order = np.random.RandomState(n).permutation(n)
    shuffled = {name: np.array(column)[order] for name, column in reversed(table.items())}
    np.testing.assert_allclose(RULES[rule](shuffled), RULES[rule](table)[order], atol=1e-12)


@given(tables(), st.sampled_from(sorted(RULES)))
def test_increasing_transforms_of_a_member_change_nothing(
    table: dict[str, list[float]], rule: str
) -> None:
    changed = {**table, "m0": np.exp(np.array(table["m0"])) - 20}  # -inf becomes -20, still worst
    changed["m0"] = np.where(np.isnan(table["m0"]), -20.0, changed["m0"])
    np.testing.assert_array_equal(RULES[rule](changed), RULES[rule](table))


@given(tables())
def test_failures_share_the_worst_rank(table: dict[str, list[float]]) -> None:
    for column in table.values():
        ranks = average_ranks(column)
        failed = np.isnan(column) | (np.array(column) == -INF)
        assert len(set(ranks[failed])) <= 1
        if failed.any() and not failed.all():
            assert ranks[failed].max() < ranks[~failed].min()
        best = np.array(column) == INF
        if best.any() and not best.all():
            assert ranks[best].min() > ranks[~best].max()


def test_a_failure_still_gets_a_value() -> None:
    joint = log_rank({"a": [NAN, 1, 2], "b": [3, 1, 2]})
    assert np.isfinite(joint).all()
    assert joint[0] == pytest.approx(math.log(1 / 3) + math.log(3 / 3))


@pytest.mark.parametrize("columns", [{}, {"a": [1.0], "b": [1.0, 2.0]}, {"a": [[1.0]]}])
def test_columns_of_no_common_length(columns: dict[str, list[float]]) -> None:
    for rule in RULES.values():
        with pytest.raises(ValueError, match="vectors of one length"):
            rule(columns)


def test_those_of_the_literature() -> None:
    formulas = {name: AGGREGATES[name].formula for name in AGGREGATES}
    assert formulas == {
        "az_nas": "log-rank(flops,az_nas.expressivity,az_nas.progressivity,az_nas.trainability)",
        "te_nas": "rank(te_nas.ntk,te_nas.linear_regions)",
        "vkdnw_agg": "log-rank(vkdnw,jacov,az_nas.expressivity,az_nas.trainability,flops)",
    }
    with pytest.raises(InputError, match="did you mean 'vkdnw_agg'"):
        AGGREGATES["vkdnw_ag"]


def test_an_aggregate_takes_its_members_and_no_other_column() -> None:
    te_nas = AGGREGATES["te_nas"]
    columns = {"te_nas.ntk": [-3.0, -2.0], "other": [9.0, 0.0], "te_nas.linear_regions": [5.0, 5.0]}
    assert te_nas(columns).tolist() == [2.5, 3.5]
    with pytest.raises(InputError, match=r"te_nas needs scores of te_nas.ntk; score them too"):
        te_nas({"te_nas.linear_regions": [5.0, 5.0]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rank(a,b.c)", ("rank(a,b.c)", ("a", "b.c"), "rank")),
        (" mine = log-rank( a , b ) ", ("mine", ("a", "b"), "log-rank")),
        ("log-rank(a)", ("log-rank(a)", ("a",), "log-rank")),
        (
            "rank( nwot@suite_zero, b )",
            ("rank(nwot@suite_zero,b)", ("nwot@suite_zero", "b"), "rank"),
        ),
    ],
)
def test_formulas(text: str, expected: tuple[str, tuple[str, ...], str]) -> None:
    aggregate = parse_aggregate(text)
    assert (aggregate.name, aggregate.members, aggregate.rule) == expected
    again = parse_aggregate(aggregate.formula)
    assert (again.members, again.rule) == (aggregate.members, aggregate.rule)


@pytest.mark.parametrize("name", list(AGGREGATES))
def test_registered_formulas_can_be_written(name: str) -> None:
    parsed = parse_aggregate(AGGREGATES[name].formula)
    assert parsed.members == AGGREGATES[name].members


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rank", "no rule with members in brackets"),
        ("rank(a,b", "no rule with members in brackets"),
        ("rank(rank(a,b),c)", "no rule with members in brackets"),
        ("mean(a,b)", "unknown rule 'mean'; known: log-rank, rank"),
        ("rank()", "'' names no proxy"),
        ("rank(a,,b)", "'' names no proxy"),
        ("rank(a b)", "'a b' names no proxy"),
        ("rank(a,a)", "'a' stands there twice"),
        ("a.b=rank(a,b)", "'a.b' is no name"),
        ("=rank(a,b)", "'' is no name"),
    ],
)
def test_malformed_formulas(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_aggregate(text)
    assert words in str(caught.value)
    assert "write it as log-rank(vkdnw,jacov,flops)" in str(caught.value)


def test_a_search_history_is_a_set_like_any_other() -> None:
    mine = Aggregate("mine", ("a", "b"), "rank")
    history: dict[str, list[float]] = {"a": [], "b": []}
    best = []
    for a, b in ((1.0, 5.0), (2.0, 6.0), (0.0, NAN)):
        history["a"].append(a)
        history["b"].append(b)
        best.append(int(mine(history).argmax()))
    assert best == [0, 1, 1]
