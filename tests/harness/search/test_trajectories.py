"""Trajectories judged, on one that can be followed by eye."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from harness.report import search as report
from harness.report import search_plots
from harness.search.trajectories import curves, summary, winners, with_accuracy, with_incumbent_rank


def frame_of(seed: int, incumbents: list[int], proxy: str = "p") -> pd.DataFrame:
    n = len(incumbents)
    return pd.DataFrame(
        {
            "proxy": proxy, "algorithm": "evolution", "seed": seed, "evaluation": range(1, n + 1),
            "architecture": [f"a{k}" for k in range(n)], "status": ["ok"] * (n - 1) + ["nan"],
            "score": 0.0, "final_score": [3.0, 1.0, 2.0, -math.inf][:n], "incumbent": incumbents,
            "new": [True, False, True, True][:n], "seconds": [1.0, 0.0, 2.0, 4.0][:n],
            "flops": [10, 20, 30, 40][:n], "params": 5, "layers": 2,
        }
    )  # fmt: skip


ACCURACY = pd.Series({"a0": 90.0, "a1": 94.0, "a2": 92.0, "a3": 93.0})
#: The second evaluation is best at first; then an aggregate changes its mind, twice.
FRAME = pd.concat([frame_of(0, [1, 2, 1, 3]), frame_of(1, [1, 1, 1, 1])], ignore_index=True)


def test_accuracy_is_that_of_the_incumbent_not_the_best_visited() -> None:
    judged = with_accuracy(FRAME, ACCURACY)
    assert list(judged["incumbent_accuracy"]) == [90, 94, 90, 92] + [90] * 4
    found = winners(judged)
    assert list(found["architecture"]) == ["a2", "a0"]
    assert list(found["evaluation"]) == [3, 1]
    assert list(found["best_seen"]) == [94, 94]
    assert list(found["scored"]) == [3, 3]
    assert list(found["failed"]) == [1, 1]
    assert list(found["total_seconds"]) == [7, 7]


def test_summary_over_seeds() -> None:
    row = summary(with_accuracy(FRAME, ACCURACY), 94.5).iloc[0]
    assert (row["seeds"], row["accuracy"], row["regret"]) == (2, 91, 3.5)
    assert row["accuracy_sd"] == pytest.approx(math.sqrt(2))
    assert (row["evaluations"], row["scored"], row["seconds"]) == (4, 3, 7)
    alone = summary(with_accuracy(frame_of(0, [1, 2, 1, 3]), ACCURACY), 94.5)
    assert math.isnan(alone["accuracy_sd"].iloc[0])
    assert report.cells(alone)[1][3] == "92.00"
    assert "accuracy" not in summary(FRAME, None)


def test_an_architecture_without_accuracy_is_no_zero() -> None:
    judged = with_accuracy(FRAME, ACCURACY.drop("a0"))
    assert judged["incumbent_accuracy"].isna().sum() == 6
    table = summary(judged, 94.0)
    assert table["accuracy"].iloc[0] == 92
    assert "-" in report.cells(summary(judged[judged["seed"] == 1], 94.0))[1]


def test_rank_of_the_incumbent_by_the_final_scores() -> None:
    assert list(with_incumbent_rank(FRAME)["incumbent_rank"]) == [1, 3, 1, 2] + [1] * 4


def test_curves_and_figures() -> None:
    both = pd.concat([FRAME, frame_of(0, [1, 1, 3, 3], "q")], ignore_index=True)
    judged = with_accuracy(both, ACCURACY)
    lines = curves(judged, "incumbent_accuracy")
    assert list(lines) == ["p", "q"]
    assert lines["p"].T.tolist() == [[90, 90, 90], [91, 92, 93], [90, 90, 90], [90.5, 91, 91.5]]
    figure = search_plots.accuracy_figure(lines, 94.0, "title")
    left, right = figure.axes
    assert right.get_yscale() == "log"
    assert [line.get_label() for line in left.lines][:2] == ["p", "q"]
    assert np.asarray(right.lines[0].get_ydata()).tolist() == [4, 2, 4, 3]
    # The band of the regret is not upside down, and no regret is no gap.
    perfect = search_plots.accuracy_figure({"p": lines["p"] + 3}, 97.0, "title")
    assert (np.asarray(perfect.axes[1].lines[0].get_ydata(), dtype=float) > 0).all()
    ranks = curves(with_incumbent_rank(both), "incumbent_rank")
    assert isinstance(search_plots.progress_figure(ranks, lines, 1e6, "title"), Figure)


@pytest.mark.filterwarnings("error")
def test_what_has_no_accuracy_is_a_gap() -> None:
    judged = with_accuracy(FRAME, ACCURACY[:0])
    assert np.isnan(curves(judged, "incumbent_accuracy")["p"]).all()
