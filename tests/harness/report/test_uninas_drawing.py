"""Drawings of UniNAS models."""

from __future__ import annotations

import random
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from benchmarks.uninas.space import KNOWN, Model, UniNASSpace
from harness.report import style
from harness.report.uninas_drawing import model_figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_block_is_captioned_and_every_kind_of_node_drawn(tmp_path: Path) -> None:
    with style.house_style():
        figure = model_figure(KNOWN["example"], "Example")
        written = style.save(figure, tmp_path / "example")
    said = texts(figure)
    assert "32,938,660 parameters, 9.71 GFLOPs at 224 px; widths 96, 192, 384, 768" in said
    assert [text for text in said if text.startswith("Stage")] == [
        "Stage 0, block 0", "Stage 0, block 1", "Stage 1, block 0", "Stage 1, blocks 1–2",
        "Stage 2, block 0", "Stage 2, blocks 1–4", "Stage 3, block 0", "Stage 3, block 1",
    ]  # fmt: skip
    assert {"attention, 12 heads", "map, 12×", "expand 4×", "depth 5×5", "zero"} <= set(said)
    assert all(path.stat().st_size > 10_000 for path in written)


def test_nodes_lie_within_the_figure_and_dead_ones_are_pale() -> None:
    model, rng = KNOWN["start"], random.Random(0)
    for _ in range(150):
        model = UniNASSpace().mutate(model, rng)
    figure = model_figure(model)
    axes = figure.axes[0]
    for box in axes.patches:
        assert isinstance(box, FancyBboxPatch)
        left, right = box.get_x(), box.get_x() + box.get_width()
        assert axes.get_xlim()[0] <= left < right <= axes.get_xlim()[1]
        assert axes.get_ylim()[0] <= box.get_y() < box.get_y() + box.get_height() <= 0
    pale = model_figure(Model.parse("4-4:96:{conv1,zero|bn}:px=16")).axes[0].patches
    assert [patch.get_alpha() for patch in pale] == [0.55, 1.0, 1.0]
