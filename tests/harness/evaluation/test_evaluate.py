"""The evaluation: which architectures count, seeds, pairing, agreement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.evaluate import SIZES, Scores, agreement, evaluate

N = 60
IDS = [f"a{k:02d}" for k in range(N)]
RNG = np.random.RandomState(0)
ACCURACY = pd.Series(RNG.uniform(10, 95, N), index=IDS)
TRUTH = Accuracies(ACCURACY, "a protocol", "a table", "someone")
SIZE = pd.DataFrame(
    {"params": RNG.randint(1, 12, N), "flops": RNG.randint(1, 12, N), "layers": 1}, index=IDS
)
NOISY = ACCURACY + RNG.normal(0, 15, N)


def scores(*columns: pd.Series[float]) -> Scores:
    return Scores(pd.DataFrame(dict(enumerate(columns))), seconds=0.5)


def run(given: dict[str, Scores], truth: Accuracies = TRUTH) -> pd.DataFrame:
    table = evaluate(given, truth, SIZE, ndcg_p=lambda n: n // 4, resamples=50)
    return table.set_index("proxy")


def test_metrics_are_those_of_the_arrays() -> None:
    row = run({"noisy": scores(NOISY)}).loc["noisy"]
    params = SIZE["params"].to_numpy(dtype=float)
    assert (row["n"], row["failed"], row["seeds"], row["ndcg_p"]) == (N, 0, 1, N // 4)
    assert row["kendall_tau"] == metrics.kendall_tau(NOISY, ACCURACY)
    assert row["spearman"] == metrics.spearman_rho(NOISY, ACCURACY)
    assert row["ndcg"] == metrics.ndcg(NOISY, ACCURACY, N // 4)
    assert row["tau_params"] == metrics.kendall_tau(NOISY, params)
    assert np.isnan(row["tau_layers"])  # all of one depth
    assert row["top1_regret"] == ACCURACY.max() - ACCURACY.iloc[int(NOISY.argmax())]
    of_params = metrics.kendall_tau(params, ACCURACY)
    assert row["tau_minus_params"] == pytest.approx(row["kendall_tau"] - of_params)
    assert row["partial_tau_params"] == pytest.approx(
        float(metrics.partial_tau(row["kendall_tau"], row["tau_params"], of_params))
    )
    for name in ("kendall_tau", "spearman", "ndcg", "tau_params", "tau_minus_params"):
        assert row[f"{name}_low"] <= row[name] + 0.05
        assert row[f"{name}_low"] < row[f"{name}_high"]
    assert row["truth"] == "a table"
    assert row["seconds"] == 0.5


def test_params_does_not_differ_from_itself() -> None:
    row = run({"params": scores(SIZE["params"].astype(float))}).loc["params"]
    assert (row["tau_minus_params"], row["tau_minus_params_low"]) == (0, 0)
    assert np.isnan(row["partial_tau_params"])


def test_failures_and_unknown_accuracies_are_counted_not_ranked() -> None:
    holed = NOISY.copy()
    holed.iloc[[3, 7]] = np.nan
    partial = Accuracies(ACCURACY.iloc[:-5], "p", "s", "t")
    table = run({"holed": scores(holed), "whole": scores(NOISY)}, partial)
    assert list(table["n"]) == [N - 7, N - 5]
    assert list(table["failed"]) == [7, 5]
    kept = [i for i in IDS[:-5] if i not in (IDS[3], IDS[7])]
    expected = metrics.kendall_tau(NOISY[kept], ACCURACY[kept])
    assert table.loc["holed", "kendall_tau"] == expected


def test_several_seeds_give_mean_and_deviation() -> None:
    other = ACCURACY + np.random.RandomState(5).normal(0, 30, N)
    row = run({"two": scores(NOISY, other)}).loc["two"]
    singles = [metrics.kendall_tau(column, ACCURACY) for column in (NOISY, other)]
    assert row["seeds"] == 2
    assert row["kendall_tau"] == pytest.approx(np.mean(singles))
    assert row["kendall_tau_sd"] == pytest.approx(np.std(singles, ddof=1))


def test_result_does_not_depend_on_what_else_is_evaluated() -> None:
    alone = run({"noisy": scores(NOISY)}).loc["noisy"]
    others = {name: scores(SIZE[name].astype(float)) for name in SIZES}
    together = run({**others, "noisy": scores(NOISY)}).loc["noisy"]
    assert isinstance(alone, pd.Series)
    assert isinstance(together, pd.Series)
    pd.testing.assert_series_equal(alone, together)


def test_too_few_architectures() -> None:
    nothing = pd.Series(np.nan, index=IDS)
    with pytest.raises(InputError, match="broken has 0 architectures"):
        run({"broken": scores(nothing)})


def test_agreement_of_two_trainings() -> None:
    again = Accuracies(NOISY.iloc[5:], "p", "again", "t2")
    found = agreement(TRUTH, again, IDS[:30], resamples=100)
    both = IDS[5:30]
    assert found.n == 25
    assert found.tau[0] == metrics.kendall_tau(ACCURACY[both], NOISY[both])
    assert found.tau[1] <= found.tau[0] <= found.tau[2]
    with pytest.raises(InputError, match="share 0"):
        agreement(TRUTH, again, IDS[:5])
