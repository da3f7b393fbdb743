"""Figures show the numbers they are given."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from harness.report import plots, style

EVALUATION = pd.DataFrame(
    {
        "proxy": ["b", "a", "params"],
        "kendall_tau": [0.2, 0.6, -0.3],
        "kendall_tau_low": [0.1, 0.5, -0.4],
        "kendall_tau_high": [0.3, 0.7, -0.2],
    }
)


def test_tau_chart_places_dots_intervals_and_ceiling() -> None:
    axes = Figure().subplots()
    plots.tau_chart(axes, EVALUATION, ["params"], ceiling=(0.9, 0.88, 0.92))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["params", "b", "a"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [np.asarray(dot.get_xdata())[0] for dot in dots] == [-0.3, 0.2, 0.6]
    assert [dot.get_color() for dot in dots] == [style.BASELINE, style.ACCENT, style.ACCENT]
    bars = [
        np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_linestyle() == "-"
    ]
    assert [0.5, 0.7] in bars
    assert axes.get_xlim()[0] < -0.4
    assert "retraining ceiling 0.900" in [text.get_text() for text in axes.texts]


def test_rank_scatter_puts_the_best_score_at_rank_one() -> None:
    axes = Figure().subplots()
    scores, accuracies = np.array([1.0, 3.0, 2.0]), np.array([50.0, 90.0, 70.0])
    points = plots.rank_scatter(axes, scores, accuracies, np.array([1e6, 3e6, 2e6]))
    assert np.asarray(points.get_offsets()).tolist() == [[3, 50], [1, 90], [2, 70]]
    assert np.asarray(points.get_array()).tolist() == [1, 3, 2]


def test_what_failed_has_no_dot() -> None:
    failed = pd.DataFrame({"proxy": ["broken"], "kendall_tau": [np.nan]})
    rows = pd.concat([EVALUATION, failed], ignore_index=True)
    axes = plots.evaluation_figure(rows, ["params"], "title", None).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["params", "b", "a"]


def test_differences_are_row_less_column_and_strong_where_sure() -> None:
    pairs = pd.DataFrame(
        [
            ("a", "b", "kendall_tau", 0.25, 0.1, 0.4),
            ("a", "c", "kendall_tau", 0.0625, -0.1, 0.2),
            ("b", "c", "kendall_tau", -0.1875, -0.3, -0.1),
            ("a", "b", "ndcg", 0.9, 0.8, 1.0),
        ],
        columns=["a", "b", "metric", "difference", "low", "high"],
    )
    axes = plots.difference_figure(pairs, "title", order=["c", "a"]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a", "b"]
    texts = {t.get_position(): (t.get_text(), t.get_color()) for t in axes.texts}
    assert texts[2, 1] == ("+.25", "white")  # a less b
    assert texts[1, 2] == ("-.25", "white")
    assert texts[0, 1] == ("+.06", style.INK)
    assert texts[0, 2] == ("-.19", "white")
    image = np.asarray(axes.images[0].get_array())
    assert image[1, 2, :3] == pytest.approx(mpl.colors.to_rgb(style.BETTER))
    assert image[0, 1, 3] < 0.3 < image[2, 0, 3]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_figures_are_written_whole_and_the_same_twice(count: int, tmp_path: Path) -> None:
    rng = np.random.RandomState(0)
    panels = {
        f"p{k}": (rng.rand(30), rng.uniform(50, 90, 30), rng.rand(30) * 1e6) for k in range(count)
    }
    with style.house_style():
        for attempt in ("one", "two"):
            figure = plots.ranking_figure(panels, dict.fromkeys(panels, 0.5), "title")
            written = style.save(figure, tmp_path / attempt)
            assert [path.suffix for path in written] == [".png", ".svg", ".pdf"]
    for ending in ("png", "svg", "pdf"):
        first, second = ((tmp_path / f"{a}.{ending}").read_bytes() for a in ("one", "two"))
        assert first == second
