"""Paired differences, against a bootstrap that resamples the arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.compare import compare, compare_all, share_above, turned
from harness.evaluation.ground import Scores

N, RESAMPLES = 40, 60
IDS = pd.Index([f"a{k:02d}" for k in range(N)])
RNG = np.random.RandomState(3)
ACCURACY = pd.Series(RNG.uniform(10, 95, N), index=IDS)
TRUTH = Accuracies(ACCURACY, "p", "s", "t")
SIZES = pd.DataFrame({"params": RNG.randint(1, 9, N), "flops": 1, "layers": 1}, index=IDS)


def noisy(deviation: float, *, seeds: int = 1, ties: bool = False) -> Scores:
    columns = {s: ACCURACY + RNG.normal(0, deviation, N) for s in range(seeds)}
    frame = pd.DataFrame(columns)
    return Scores(frame.round(-1) if ties else frame, 0.1)


GOOD, POOR, TIED = noisy(10), noisy(60, seeds=2), noisy(15, ties=True)


def literal(a: Scores, b: Scores, archs: pd.Index) -> dict[str, np.ndarray]:
    """Differences of every resample, computed on resampled arrays."""
    n = len(archs)
    weights = metrics.bootstrap_weights(n, RESAMPLES, 0).astype(int)
    accuracies = ACCURACY[archs].to_numpy()
    of: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "kendall_tau": metrics.kendall_tau, "spearman": metrics.spearman_rho,
    }  # fmt: skip
    found = {}
    for name, metric in of.items():
        drawn = []
        for column in weights.T:
            picked = np.repeat(np.arange(n), column)
            means = [
                np.mean(
                    [
                        metric(v[picked], accuracies[picked])
                        for v in each.values.loc[archs].to_numpy().T
                    ]
                )
                for each in (a, b)
            ]
            drawn.append(means[0] - means[1])
        found[name] = np.array(drawn)
    return found


@pytest.mark.parametrize("pair", [(GOOD, POOR), (GOOD, TIED), (TIED, POOR)])
def test_differences_are_those_of_resampled_arrays(pair: tuple[Scores, Scores]) -> None:
    rows = compare(*pair, TRUTH, SIZES, ndcg_p=lambda n: n // 4, resamples=RESAMPLES)
    assert list(rows["metric"]) == ["kendall_tau", "spearman", "ndcg"]
    assert (rows["n"] == N).all()
    by_metric = rows.set_index("metric")
    for name, drawn in literal(*pair, IDS).items():
        row = by_metric.loc[name]
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert (row["low"], row["high"]) == pytest.approx((low, high))
        share = np.mean((drawn > 1e-12) + 0.5 * (np.abs(drawn) <= 1e-12))
        assert row["share_above"] == pytest.approx(share)
    tau = [
        np.mean([metrics.kendall_tau(each.values[s], ACCURACY) for s in each.values])
        for each in pair
    ]
    assert by_metric.loc["kendall_tau", "difference"] == pytest.approx(tau[0] - tau[1])


def test_a_proxy_does_not_differ_from_itself() -> None:
    rows = compare(GOOD, GOOD, TRUTH, SIZES, ndcg_p=lambda n: 5, resamples=20)
    assert (rows[["difference", "low", "high"]] == 0).all(axis=None)
    assert (rows["share_above"] == 0.5).all()


def test_only_architectures_that_both_have_count() -> None:
    holed = Scores(GOOD.values.mask(np.arange(N)[:, None] < 7), 0.1)
    rows = compare(holed, TIED, TRUTH, SIZES, ndcg_p=lambda n: n // 4, resamples=RESAMPLES)
    assert (rows["n"] == N - 7).all()
    drawn = literal(holed, TIED, IDS[7:])["kendall_tau"]
    assert rows["low"][0] == pytest.approx(np.quantile(drawn, 0.025))
    nothing = Scores(GOOD.values.mask(np.arange(N)[:, None] > 1), 0.1)
    with pytest.raises(InputError, match="first and second share 2 architectures"):
        compare(nothing, GOOD, TRUTH, SIZES, ndcg_p=lambda n: 5, resamples=10)


def test_all_pairs_are_the_pairs() -> None:
    holed = Scores(TIED.values.mask(np.arange(N)[:, None] < 7), 0.1)
    scores = {"good": GOOD, "poor": POOR, "holed": holed}
    options = {"ndcg_p": lambda n: n // 4, "resamples": RESAMPLES}
    pairs = compare_all(scores, TRUTH, SIZES, **options)  # type: ignore[arg-type]
    assert list(zip(pairs["a"], pairs["b"], strict=True))[::3] == [
        ("good", "poor"), ("good", "holed"), ("poor", "holed"),
    ]  # fmt: skip
    for a, b in (("good", "poor"), ("good", "holed"), ("poor", "holed")):
        rows = pairs[(pairs["a"] == a) & (pairs["b"] == b)]
        alone = compare(scores[a], scores[b], TRUTH, SIZES, **options)  # type: ignore[arg-type]
        pd.testing.assert_frame_equal(rows.drop(columns=["a", "b"]).reset_index(drop=True), alone)
    against = compare_all(scores, TRUTH, SIZES, against="poor", **options)  # type: ignore[arg-type]
    assert set(against["b"]) == {"poor"}
    pd.testing.assert_frame_equal(turned(pairs, "poor"), against)
    with pytest.raises(InputError, match="no scores of por here; there are: good, poor, holed"):
        compare_all(scores, TRUTH, SIZES, against="por", **options)  # type: ignore[arg-type]


def test_share_of_nothing() -> None:
    assert np.isnan(share_above(np.array([np.nan])))
