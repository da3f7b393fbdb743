"""The result of a training: its folder, its page, its figure."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.errors import InputError
from harness.report import folders, training, training_plots
from harness.results import Training, load
from tests.harness.trainings import FIGURES, made, with_loss


@pytest.mark.parametrize("task", FIGURES)
def test_a_folder_gives_the_same_training_again(task: str, tmp_path: Path) -> None:
    result = Training.showing(made(task, epochs=5))
    written = {path.name for path in result.write(tmp_path)}
    assert written == {path.name for path in tmp_path.iterdir() if path.is_file()}
    again = load(tmp_path)
    assert isinstance(again, Training)
    pd.testing.assert_frame_equal(again.history, result.history, check_exact=True)
    assert again.cells() == result.cells()
    assert again.figures.keys() == result.figures.keys()
    assert math.isnan(again.figures["train_images_per_second"])
    assert (again.title, list(again.protocol)) == (result.title, list(result.protocol))
    page = (tmp_path / "training.md").read_text("utf-8")
    again.write(tmp_path)  # the same training may be written again
    assert (tmp_path / "training.md").read_text("utf-8") == page
    json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)  # plain JSON
    for name in ("curve.png", "curve.svg", "curve.pdf"):
        assert (tmp_path / name).stat().st_size > 1000
    assert f"epochs 5, {result.facts['metric']}" in repr(again)


def test_figures_stand_in_the_units_of_the_papers() -> None:
    rows = dict(training.cells(made(value=71.234))[1:])
    assert rows == {
        "top-1 (%)": "71.23", "top-5 (%)": "78.36", "params (M)": "24.817",
        "params with head (M)": "25.000", "FLOPs (G)": "9.030", "FLOPs with head (G)": "9.100",
        "images/s, inference": "123.4", "images/s, training": "-", "epochs": "150",
    }  # fmt: skip
    assert list(dict(training.cells(made("detection"))))[1:3] == ["AP box", "AP box at IoU .50"]


def test_an_unfinished_training_is_shown_as_such() -> None:
    result = made("segmentation", epochs=40, done=7)
    assert dict(training.cells(result))["epochs"] == "7 of 40, not finished"
    assert "**Not finished" in training.page(result)
    assert "**Not finished" not in training.page(made("segmentation", epochs=40))
    axes = training.figure(result).axes
    assert all(ax.get_xlim()[1] > 40 for ax in axes)  # what is missing has its room
    assert "not done" in _texts(training.figure(result))
    assert "not done" not in _texts(training.figure(made("segmentation", epochs=4)))


def test_epochs_without_a_finite_loss_are_marked(tmp_path: Path) -> None:
    result = with_loss(with_loss(made(epochs=6), 2, math.nan), 5, math.inf)
    assert dict(training.cells(result))["epochs without a finite loss"] == "2, 5"
    axes = training.figure(result).axes[0]
    marked = next(line for line in axes.lines if line.get_label() == "not a finite number")
    assert list(map(float, marked.get_xdata())) == [2, 5]  # type: ignore[arg-type]
    training.save(result, tmp_path)
    assert training_plots.broken_epochs(training.load(tmp_path).history) == [2, 5]


def test_the_curve_shows_losses_rate_and_the_metric() -> None:
    figure = training.figure(made("detection"))
    loss, metric, rate = figure.axes
    assert [line.get_label() for line in loss.lines][-1] == "sum"
    assert len(loss.lines) == 1 + 5  # each loss, and their sum
    assert len(rate.lines) == 1
    assert [title.split("  ")[0] for title in _legend(metric)] == [
        "AP box",
        "AP mask",
    ]  # no thresholds of them
    assert rate.get_ylabel() == "learning rate"


def test_one_epoch_is_seen_and_none_validated_is_said() -> None:
    figure = training.figure(made(epochs=1))
    assert all(len(line.get_xdata()) <= 1 for axes in figure.axes for line in axes.lines)  # type: ignore[arg-type]
    assert figure.axes[0].lines[-1].get_marker() == "o"
    blind = made(epochs=2)
    blind.history[["top1", "top5"]] = math.nan
    assert "not validated" in _texts(training.figure(blind))


def test_there_is_no_other_figure() -> None:
    with pytest.raises(InputError, match="unknown figure 'tau'; there are: curve"):
        Training.showing(made(epochs=1)).figure("tau")


def test_another_training_is_not_overwritten(tmp_path: Path) -> None:
    Training.showing(made(epochs=1)).write(tmp_path)
    other = Training.showing(made(epochs=1, seed=3))
    with pytest.raises(InputError, match="of another protocol"):
        other.write(tmp_path)
    other.write(tmp_path, force=True)
    assert load(tmp_path).facts["identity"]["seed"] == 3


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("history.csv", r"(?s).*", "", "EmptyDataError"),
        ("history.csv", "loss", "lost", "lacks one of the columns"),
        ("result.json", '"epochs": \\[', '"epochs": ["x", ', "epochs is"),
        ("result.json", '"metric"', '"mettric"', "metric"),
        ("result.json", '"precision"', '"pprecision"', "precision"),
        ("result.json", '"kind": "training"', '"kind": "treining"', "unknown kind"),
        ("result.json", '"figures": {', '"figures": [], "rest": {', "no whole training"),
    ],
)
def test_a_damaged_folder_is_named(
    name: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    training.save(made(epochs=1), tmp_path)
    file = tmp_path / name
    file.write_text(re.sub(old, new, file.read_text(), count=1))
    with pytest.raises(InputError, match=words) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_history_is_said(tmp_path: Path) -> None:
    folders.write(tmp_path, "training", made(epochs=1).facts, [], title="t", figures={})
    with pytest.raises(InputError, match="no whole training"):
        training.load(tmp_path)


def _texts(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def _legend(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []
