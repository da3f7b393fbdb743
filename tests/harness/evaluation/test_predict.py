"""Models: nothing of the evaluated cells is trained on, and the rows are those of proxies."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.nasbench201.graf import study_features
from benchmarks.truth import Accuracies, resolve
from harness.evaluation import metrics
from harness.evaluation.evaluate import evaluate
from harness.evaluation.ground import Ground, Scores
from harness.evaluation.predict import (
    MODELS,
    Features,
    evaluate_models,
    features_of,
    model_line,
    predict,
    split,
)

N = 60
IDS = [f"a{k:02d}" for k in range(N)]
RNG = np.random.RandomState(0)
ACCURACY = pd.Series(RNG.uniform(10, 95, N), index=IDS)
TRUTH = Accuracies(ACCURACY, "a protocol", "a table", "someone")
SIZE = pd.DataFrame(
    {"params": RNG.randint(1, 12, N), "flops": RNG.randint(1, 12, N), "layers": 1}, index=IDS
)
NOISE = pd.DataFrame(RNG.normal(size=(N, 3)), index=IDS, columns=["x", "y", "z"])
GOOD = NOISE.assign(x=ACCURACY + RNG.normal(0, 10, N))


def run(*tables: pd.DataFrame, truth: Accuracies = TRUTH, splits: int = 2) -> pd.Series:
    rows = evaluate_models(
        {"m": Features(tables, 0.25)}, truth, SIZE, ndcg_p=lambda n: n // 4,
        resamples=40, splits=range(1, splits + 1), trees=8,
    )  # fmt: skip
    return rows.set_index("proxy").T["m"]


# ------------------------------------------------------------------ no leak


@pytest.mark.parametrize(("n", "expected"), [(6, 3), (61, 30), (2047, 1023), (9445, 1024)])
def test_splits(n: int, expected: int) -> None:
    for seed in (1, 2):
        train, rest = split(n, seed)
        assert len(train) == expected
        assert sorted([*train, *rest]) == list(range(n))
        again = train_test_split(np.arange(n), train_size=expected, random_state=seed)[0]
        np.testing.assert_array_equal(train, again)
    assert set(split(n, 1)[0]) != set(split(n, 2)[0])


def test_training_cells_are_not_evaluated() -> None:
    """Noise predicts nothing, unless a forest is asked about cells that it has seen."""
    noise = NOISE.to_numpy()
    train, _ = split(N, 1)
    forest = RandomForestRegressor(30, random_state=1).fit(noise[train], ACCURACY.iloc[train])
    seen = metrics.kendall_tau(forest.predict(noise[train]), ACCURACY.iloc[train])
    assert seen > 0.5  # what a leak looks like
    assert abs(run(NOISE, splits=5)["kendall_tau"]) < 0.25


def test_every_evaluated_cell_is_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    judged: list[set[str]] = []

    class Watch(RandomForestRegressor):  # type: ignore[misc]
        def fit(self, x: object, y: object) -> object:
            values = np.asarray(y)
            seen.append(set(ACCURACY.index[ACCURACY.isin(values)]))
            return super().fit(x, y)

    class Watched(Ground):
        def __init__(self, archs: pd.Index, *rest: object) -> None:
            judged.append(set(archs))
            super().__init__(archs, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("sklearn.ensemble.RandomForestRegressor", Watch)
    monkeypatch.setattr("harness.evaluation.predict.Ground", Watched)
    run(GOOD, splits=3)
    assert len(seen) == len(judged) == 3
    for one, other in zip(seen, judged, strict=True):
        assert len(one) == 30
        assert not one & other
        assert one | other == set(IDS)


def test_predictions_know_nothing_of_the_other_cells() -> None:
    """Neither their accuracies nor, for the scaling and the extremes, their features."""
    train, rest = split(N, 1)
    accuracies = ACCURACY.to_numpy()[train]
    before = predict(GOOD, accuracies, train, seed=1, trees=8)
    changed = GOOD.copy()
    changed.iloc[rest[1:]] *= 1e6
    rows = np.sort(rest)
    same = int(np.flatnonzero(rows == rest[0])[0])
    after = predict(changed, accuracies, train, seed=1, trees=8)
    assert after[same] == before[same]
    assert not np.array_equal(after, before)


# ------------------------------------------------------------------ values


def test_the_row_is_that_of_a_literal_protocol() -> None:
    row = run(GOOD)
    taus = []
    for seed in (1, 2):
        train, rest = train_test_split(np.arange(N), train_size=30, random_state=seed)
        rest = np.sort(rest)
        scaler = StandardScaler().fit(GOOD.to_numpy()[train])
        forest = RandomForestRegressor(8, random_state=seed)
        forest.fit(scaler.transform(GOOD.to_numpy()[train]), ACCURACY.iloc[train])
        predicted = forest.predict(scaler.transform(GOOD.to_numpy()[rest]))
        taus.append(metrics.kendall_tau(predicted, ACCURACY.iloc[rest]))
    assert row["kendall_tau"] == pytest.approx(np.mean(taus), abs=1e-12)
    assert row["kendall_tau_sd"] == pytest.approx(np.std(taus, ddof=1), abs=1e-12)
    assert row["kendall_tau_low"] < row["kendall_tau"] < row["kendall_tau_high"]
    assert row["kendall_tau"] > 0.4


def test_columns_are_those_of_proxies() -> None:
    proxies = evaluate(
        {"p": Scores(GOOD[["x"]], 1.0)}, TRUTH, SIZE, ndcg_p=lambda n: n // 4, resamples=40
    )
    row = run(GOOD)
    assert [*proxies.columns[1:], "trained_on"] == list(row.index)
    assert (row["n"], row["failed"], row["trained_on"], row["seeds"]) == (30, 0, 30, 2)
    assert (row["ndcg_p"], row["seconds"], row["truth"]) == (7, 0.25, "a table")


def test_cells_without_an_accuracy_are_left_out() -> None:
    row = run(GOOD, truth=Accuracies(ACCURACY.iloc[:-11], "a protocol", "a table", "someone"))
    assert (row["n"], row["failed"], row["trained_on"]) == (25, 11, 24)


def test_each_split_takes_its_seed_of_the_scores() -> None:
    assert run(GOOD, NOISE, splits=1)["kendall_tau"] == run(GOOD, splits=1)["kendall_tau"]
    both = run(GOOD, NOISE)["kendall_tau"]
    assert run(NOISE)["kendall_tau"] < both < run(GOOD)["kendall_tau"]


def test_failed_features_are_the_extremes_of_their_column() -> None:
    train, rest = split(N, 1)
    accuracies = ACCURACY.to_numpy()[train]
    places = [train[0], train[1], rest[0], rest[1], rest[2]]
    broken, filled = GOOD.copy(), GOOD.copy()
    broken.iloc[places, 0] = [np.nan, np.inf, np.nan, -np.inf, np.inf]
    known = GOOD["x"].iloc[train[2:]]
    low, high = known.min(), known.max()
    filled.iloc[places, 0] = [low, high, low, low, high]
    np.testing.assert_array_equal(
        predict(broken, accuracies, train, seed=1, trees=8),
        predict(filled, accuracies, train, seed=1, trees=8),
    )
    with pytest.raises(InputError, match="no training cell has a finite x; score more"):
        predict(GOOD.assign(x=np.nan), accuracies, train, seed=1, trees=8)


def test_huge_scores_do_not_overflow() -> None:
    huge = GOOD.assign(x=10.0 ** (GOOD["x"] / 2))
    assert huge["x"].max() > 1e39  # beyond float32, in which the forest computes
    assert np.isfinite(run(huge)["kendall_tau"])


def test_same_seed_same_row() -> None:
    pd.testing.assert_series_equal(run(GOOD), run(GOOD))


# ------------------------------------------------------------------ models


def test_models() -> None:
    sizes = {name: (len(MODELS[name].members), MODELS[name].graf) for name in MODELS}
    assert sizes == {
        "graf_m": (0, True),
        "vkdnw_m": (11, False),
        "vkdnw_zcs_m": (25, False),
        "vkdnw_zcs_graf_m": (25, True),
    }


def test_features_are_scores_and_graf() -> None:
    cells = BENCHMARKS["nasbench201"].space.architectures("reachable")[:4]
    archs = [cell.id for cell in cells]
    model = MODELS["vkdnw_zcs_graf_m"]
    frame = pd.DataFrame({3: range(4), 4: range(4, 8)}, index=archs, dtype=float)
    given = features_of(
        model,
        {name: Scores(frame, 9.0) for name in model.members},
        archs,
        2.0,
        study_features(cells),
    )
    assert given.seconds == 2
    assert [table.shape for table in given.tables] == [(4, 25 + 160)] * 2
    first, second = given.tables
    assert list(first.columns[:25]) == list(model.members)
    assert second["jacov"].tolist() == [4, 5, 6, 7]
    pd.testing.assert_frame_equal(first.iloc[:, 25:], study_features(cells))
    alone = features_of(MODELS["graf_m"], {}, archs, 0.0, study_features(cells))
    pd.testing.assert_frame_equal(alone.tables[0], study_features(cells))


def test_a_few_architectures_are_too_few() -> None:
    with pytest.raises(InputError, match=r"at least 6 architectures .* there are 5"):
        run(GOOD.iloc[:5])


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(InputError, match=r"pip install 'nas-proxy-harness\[predict\]'"):
        run(GOOD)


def test_the_line_of_the_protocol() -> None:
    rows = pd.DataFrame({"proxy": ["flops", "graf_m"], "trained_on": [np.nan, 1024.0]})
    said = model_line(rows)
    assert "models (graf_m): random forest of 300 trees" in said
    assert "1,024 random architectures" in said


def test_graf_ranks_as_published(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The VKDNW paper's row: tau 0.820, Spearman 0.953; here with one split and fewer trees."""
    monkeypatch.setenv("HARNESS_DATA", str(real_data))
    benchmark = BENCHMARKS["nasbench201"]
    accuracies = resolve(benchmark, "compact", "cifar10").values
    table = study_features(benchmark.space.architectures("reachable"))
    truth = accuracies.loc[table.index].to_numpy(dtype=float)
    train, rest = split(len(table), 1)
    predicted = predict(table, truth[train], train, seed=1, trees=30)
    others = truth[np.sort(rest)]
    assert metrics.kendall_tau(predicted, others) == pytest.approx(0.820, abs=0.012)
    assert metrics.spearman_rho(predicted, others) == pytest.approx(0.953, abs=0.006)
