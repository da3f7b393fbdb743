"""Metrics against scipy and scikit-learn, and the laws that they obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import ndcg_score

from harness.evaluation import metrics
from harness.evaluation.metrics import Array

# Few distinct values make ties; many make none.
values = st.integers(2, 10**6).flatmap(
    lambda top: hnp.arrays(float, 25, elements=st.integers(0, top).map(float))
)
pairs = st.tuples(values, values)
accuracies = hnp.arrays(float, 25, elements=st.floats(0, 100), unique=True)


def close(x: float, y: float) -> bool:
    return bool(np.isclose(x, y, rtol=0, atol=1e-12, equal_nan=True))


@given(pairs)
def test_tau_is_scipys_and_counts_pairs(pair: tuple[Array, Array]) -> None:
    x, y = pair
    signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    below = np.sqrt(np.count_nonzero(x[:, None] != x) * np.count_nonzero(y[:, None] != y))
    literal = signs.sum() / below if below else np.nan
    assert close(metrics.kendall_tau(x, y), float(literal))


@given(pairs)
def test_spearman_is_scipys(pair: tuple[Array, Array]) -> None:
    x, y = pair
    constant = np.ptp(x) == 0 or np.ptp(y) == 0
    expected = np.nan if constant else float(stats.spearmanr(x, y).statistic)
    assert close(metrics.spearman_rho(x, y), expected)


@given(pairs)
def test_correlations_ignore_increasing_transforms_and_flip_with_sign(
    pair: tuple[Array, Array],
) -> None:
    x, y = pair
    for metric in (metrics.kendall_tau, metrics.spearman_rho):
        value = metric(x, y)
        assert close(metric(np.arctan(x / 1e6) * 7 + 3, y), value)
        assert close(metric(-x, y), -value)
        assert close(metric(y, x), value)


@given(pairs, accuracies)
def test_top_metrics_ignore_increasing_transforms(
    pair: tuple[Array, Array], accuracy: Array
) -> None:
    scores = pair[0]
    moved = np.sqrt(scores) - 5
    for top in (1, 5, 25):
        assert metrics.ndcg(scores, accuracy, top) == metrics.ndcg(moved, accuracy, top)
    assert metrics.top1_accuracy(scores, accuracy) == metrics.top1_accuracy(moved, accuracy)
    assert metrics.precision_at_top(scores, accuracy) == metrics.precision_at_top(moved, accuracy)


@given(accuracies)
def test_perfect_scores_are_perfect(accuracy: Array) -> None:
    assert close(metrics.kendall_tau(accuracy, accuracy), 1)
    assert close(metrics.spearman_rho(accuracy, accuracy), 1)
    assert close(metrics.ndcg(accuracy, accuracy, 10), 1)
    assert metrics.top1_accuracy(accuracy, accuracy) == accuracy.max()
    assert metrics.precision_at_top(accuracy, accuracy, 0.2) == 1


@given(
    hnp.arrays(float, 25, elements=st.integers(-1000, 1000).map(float), unique=True),
    accuracies,
    st.integers(1, 30),
)
def test_ndcg_is_scikit_learns(scores: Array, accuracy: Array, top: int) -> None:
    gains = np.exp2(accuracy) - 1
    expected = ndcg_score(gains[None], scores[None], k=top, ignore_ties=True)
    assert np.isclose(metrics.ndcg(scores, accuracy, top), expected, rtol=1e-9)


def test_ndcg_averages_to_the_tie_averaged_value_over_shuffles() -> None:
    rng = np.random.RandomState(0)
    accuracy, scores = rng.uniform(0, 10, 40), rng.randint(0, 4, 40).astype(float)
    shuffled = [metrics.ndcg(scores, accuracy, 10, tie_seed=seed) for seed in range(3000)]
    expected = ndcg_score((np.exp2(accuracy) - 1)[None], scores[None], k=10)
    assert abs(np.mean(shuffled) - expected) < 4 * np.std(shuffled) / np.sqrt(3000)
    assert len(set(shuffled[:10])) > 1


def test_the_papers_toy_example() -> None:
    # VKDNW paper: damage at the top and at the bottom.
    top = [80, 70, 100, 90, 60, 50, 40, 30, 20, 10]
    bottom = [100, 90, 80, 70, 60, 50, 10, 20, 30, 40]
    order = np.arange(10, 0, -1)
    assert [round(metrics.kendall_tau(order, a), 2) for a in (top, bottom)] == [0.82, 0.73]
    assert [round(metrics.ndcg(order, a, 10), 2) for a in (top, bottom)] == [0.50, 1.00]


def test_degenerate_input() -> None:
    assert np.isnan(metrics.kendall_tau([1, 1, 1], [1, 2, 3]))
    assert np.isnan(metrics.spearman_rho([1, 1, 1], [1, 2, 3]))
    assert np.isnan(metrics.kendall_tau([], []))
    assert np.isnan(metrics.ndcg([1, 2], [0, 0], 1))
    assert np.isnan(metrics.top1_accuracy([], []))
    assert np.isnan(metrics.interval([np.nan]))[0]
    with pytest.raises(ValueError, match="one length"):
        metrics.kendall_tau([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="finite"):
        metrics.ndcg([1, np.inf], [1, 2], 1)
    with pytest.raises(ValueError, match="at least one rank"):
        metrics.ndcg([1, 2], [1, 2], 0)


def test_partial_tau_removes_what_the_third_explains() -> None:
    assert close(float(metrics.partial_tau(0.6, 0.0, 0.0)), 0.6)
    assert close(float(metrics.partial_tau(0.5 * 0.6, 0.5, 0.6)), 0.0)
    assert np.isnan(metrics.partial_tau(0.5, 1.0, 0.5))


# ------------------------------------------------------------------ bootstrap


def resampled(x: Array, weights: NDArray[np.float32]) -> list[Array]:
    return [np.repeat(x, drawn.astype(int)) for drawn in weights.T]


@pytest.mark.parametrize("distinct", [3, 40, 10**9])
@pytest.mark.parametrize("n", [30, 700])
def test_bootstrap_correlations_are_those_of_resampled_arrays(n: int, distinct: int) -> None:
    rng = np.random.RandomState(n)
    x = rng.randint(0, distinct, n).astype(float)
    y = x / distinct + rng.randint(0, 9, n)
    weights = metrics.bootstrap_weights(n, 12, seed=1)
    columns = metrics.tau_column(x, weights), metrics.tau_column(y, weights)
    taus = metrics.bootstrap_tau(*columns, weights)
    rhos = metrics.bootstrap_spearman(x, y, weights)
    for each in zip(resampled(x, weights), resampled(y, weights), taus, rhos, strict=True):
        assert close(float(stats.kendalltau(each[0], each[1]).statistic), each[2])
        assert close(float(stats.spearmanr(each[0], each[1]).statistic), each[3])


@given(pairs)
def test_bootstrap_with_every_item_once_is_the_value_itself(pair: tuple[Array, Array]) -> None:
    x, y = pair
    once = np.ones((len(x), 1), dtype=np.float32)
    tau = metrics.bootstrap_tau(metrics.tau_column(x, once), metrics.tau_column(y, once), once)
    assert close(tau[0], metrics.kendall_tau(x, y))
    assert close(metrics.bootstrap_spearman(x, y, once)[0], metrics.spearman_rho(x, y))


def test_bootstrap_of_the_top_is_that_of_resampled_arrays() -> None:
    rng = np.random.RandomState(3)
    accuracy = rng.uniform(0, 100, 60)
    scores = accuracy + rng.normal(0, 20, 60)
    weights = metrics.bootstrap_weights(60, 10, seed=2)
    found = metrics.bootstrap_top(scores, accuracy, weights, top=7, share=0.1)
    for k, (s, a) in enumerate(
        zip(resampled(scores, weights), resampled(accuracy, weights), strict=True)
    ):
        # Copies of one item are tied in both, so their order does not matter.
        assert close(found["ndcg"][k], metrics.ndcg(s, a, 7))
        assert found["top1_accuracy"][k] == metrics.top1_accuracy(s, a)
        assert found["top1_regret"][k] == a.max() - metrics.top1_accuracy(s, a)
        assert close(found["precision_at_top"][k], metrics.precision_at_top(s, a, 0.1))


def test_bootstrap_draws_with_replacement_and_by_seed() -> None:
    weights = metrics.bootstrap_weights(50, 200, seed=0)
    assert (weights.sum(axis=0) == 50).all()
    assert abs((weights == 0).mean() - np.exp(-1)) < 0.02
    assert (weights == metrics.bootstrap_weights(50, 200, seed=0)).all()
    assert (weights != metrics.bootstrap_weights(50, 200, seed=1)).any()


def test_interval_covers_as_often_as_it_says() -> None:
    """The 95 % interval of tau holds the population's tau in about 95 % of samples."""
    rng = np.random.RandomState(0)
    rho = 0.7
    true_tau = 2 / np.pi * np.arcsin(rho)  # of a bivariate normal
    hits = 0
    for trial in range(200):
        x = rng.normal(size=80)
        y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=80)
        weights = metrics.bootstrap_weights(80, 300, seed=trial)
        columns = metrics.tau_column(x, weights), metrics.tau_column(y, weights)
        low, high = metrics.interval(metrics.bootstrap_tau(*columns, weights))
        hits += low <= true_tau <= high
    assert 175 <= hits <= 199


def test_tie_share_and_ranking() -> None:
    assert metrics.tie_share([]) == 0
    order = metrics.ranking([1.0, 3.0, 2.0, 3.0])
    assert set(order[:2]) == {1, 3}
    assert list(order[2:]) == [2, 0]
    assert {tuple(metrics.ranking([1.0, 1.0], seed)) for seed in range(20)} == {(0, 1), (1, 0)}
