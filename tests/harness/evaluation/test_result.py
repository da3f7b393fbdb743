"""A result: what it holds, how it compares, how it is written and read again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import InputError
from harness.evaluation.compare import compare
from harness.evaluation.ground import Scores
from harness.evaluation.judge import evaluate_all
from harness.evaluation.result import Evaluation
from harness.report.write import FIGURES, figure, load, save, write_evaluation
from tests.harness.evaluation.test_compare import GOOD, IDS, POOR, RESAMPLES, SIZES, TIED, TRUTH, N

HOLED = Scores(TIED.values.mask(np.arange(N)[:, None] < 7), 0.1)
PARAMS = Scores(pd.DataFrame({0: SIZES["params"].astype(float)}), 0.0)


def made(**scores: Scores) -> Evaluation:
    table = evaluate_all(
        scores, {}, TRUTH, SIZES, ndcg_p=lambda n: max(1, round(10 * n / 40)), resamples=RESAMPLES
    )
    facts = {
        "benchmark": "toy", "dataset": "d", "resamples": RESAMPLES, "ndcg_p": [10, 40],
        "title": "toy d, n = 40", "ceiling": [0.9, 0.85, 0.95], "baselines": ["params"],
    }  # fmt: skip
    return Evaluation.of(table, scores, TRUTH, SIZES, ["a line", "another"], facts)


@pytest.fixture
def result() -> Evaluation:
    return made(good=GOOD, poor=POOR, holed=HOLED, params=PARAMS)


def test_scores_stand_one_row_an_architecture(result: Evaluation) -> None:
    columns = ["arch", "good", "poor#0", "poor#1", "holed", "accuracy", "params", "flops", "layers"]
    assert list(result.scores.columns) == columns
    assert result.scores["arch"].tolist() == list(IDS)
    assert result.ranked == ["good", "poor", "holed", "params"]
    np.testing.assert_array_equal(result.scores_of("poor").values, POOR.values)
    np.testing.assert_array_equal(result.scores_of("params").values, PARAMS.values)
    with pytest.raises(InputError, match="no scores of better"):
        result.scores_of("better")


def test_comparisons_are_those_of_the_scores(result: Evaluation) -> None:
    expected = compare(
        GOOD, HOLED, TRUTH, SIZES, ndcg_p=lambda n: max(1, round(10 * n / 40)), resamples=RESAMPLES
    )
    pd.testing.assert_frame_equal(result.compare("good", "holed"), expected)
    against = result.comparisons("holed")
    assert set(against["b"]) == {"holed"}
    pairs = result.comparisons()
    assert len(pairs) == 6 * 3
    pd.testing.assert_frame_equal(result.comparisons("holed"), against)
    tau = result.table.set_index("proxy")["kendall_tau"]
    row = result.compare("good", "poor").set_index("metric").loc["kendall_tau"]
    assert row["difference"] == pytest.approx(tau["good"] - tau["poor"])


def test_a_result_reads_back_as_it_was(result: Evaluation, tmp_path: Path) -> None:
    written = save(result, tmp_path)
    assert {path.name for path in written} == {
        "result.json", "environment.json", "evaluation.csv", "scores.parquet",
        "accuracies.parquet", "differences.csv",
    }  # fmt: skip
    again = load(tmp_path)
    pd.testing.assert_frame_equal(again.table, result.table, check_exact=True)
    pd.testing.assert_frame_equal(again.scores, result.scores, check_exact=True)
    assert (again.protocol, again.facts) == (result.protocol, result.facts)
    pd.testing.assert_frame_equal(again.comparisons(), result.comparisons(), check_exact=True)
    pd.testing.assert_frame_equal(again.compare("poor", "good"), result.compare("poor", "good"))
    assert "accuracy" not in pd.read_parquet(tmp_path / "scores.parquet")


def test_a_folder_is_shown_again_without_evaluating(result: Evaluation, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    save(result, one)
    first = write_evaluation(result, one, against="poor")
    names = {f"{name}{ending}" for name in FIGURES for ending in (".png", ".svg", ".pdf")}
    names |= {"evaluation.csv", "evaluation.md", "evaluation.tex"}
    assert {path.name for path in first} == names
    page = (one / "evaluation.md").read_text()
    assert "![differences](differences.png)" in page
    assert "## Compared with poor" in page
    write_evaluation(load(one), two, against="poor")
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_what_is_not_there_is_left_as_it_is(result: Evaluation, tmp_path: Path) -> None:
    save(result, tmp_path)
    write_evaluation(result, tmp_path)
    page = (tmp_path / "evaluation.md").read_text()
    (tmp_path / "accuracies.parquet").unlink()
    blind = load(tmp_path)
    assert blind.scores["accuracy"].isna().all()
    with pytest.raises(InputError, match="no figure 'ranking'"):
        figure(blind, "ranking")
    before = (tmp_path / "ranking.png").read_bytes()
    assert not [p for p in write_evaluation(blind, tmp_path) if p.name.startswith("ranking")]
    assert (tmp_path / "ranking.png").read_bytes() == before
    assert (tmp_path / "evaluation.md").read_text() == page
    (tmp_path / "scores.parquet").unlink()
    (tmp_path / "differences.csv").unlink()
    bare = load(tmp_path)
    assert bare.scores.empty
    assert bare.ranked == []
    with pytest.raises(InputError, match="no scores of good"):
        bare.compare("good", "poor")
    write_evaluation(bare, tmp_path)
    assert (tmp_path / "evaluation.md").read_text() == page


def test_one_proxy_is_compared_with_nothing(tmp_path: Path) -> None:
    alone = made(good=GOOD, params=PARAMS)
    save(alone, tmp_path)
    write_evaluation(alone, tmp_path)
    assert not list(tmp_path.glob("differences.*"))
    assert figure(alone, "tau").axes[0].get_title(loc="left") == "toy d, n = 40"
    with pytest.raises(InputError, match="two proxies beside the baselines"):
        figure(alone, "differences")
    with pytest.raises(InputError, match="unknown figure 'taus'; there are: tau, ranking"):
        figure(alone, "taus")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"kind": "search"}, "search"),
        ({"table": 3}, "TypeError"),
        ({"facts": None}, "TypeError"),
    ],
)
def test_damaged_folders_are_refused(
    change: dict[str, object], words: str, result: Evaluation, tmp_path: Path
) -> None:
    save(result, tmp_path)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=words):
        load(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(InputError, match=r"holds no result\.json"):
        load(tmp_path)


def test_names_that_are_columns_of_the_result_are_refused() -> None:
    with pytest.raises(InputError, match="'accuracy' is a column"):
        made(accuracy=GOOD)
