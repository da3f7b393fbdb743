"""Drawings of architectures."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from benchmarks import BENCHMARKS
from benchmarks.drawing import Graph
from benchmarks.nasbench201.architecture import Cell
from benchmarks.types import HasDrawing
from benchmarks.uninas.architecture import KNOWN, Model
from benchmarks.uninas.space import UniNASSpace
from harness.report import drawings, style
from tests.benchmarks.nasbench101.strategies import BRANCHED

UNINAS = UniNASSpace()
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_block_is_captioned_and_every_kind_of_node_drawn(tmp_path: Path) -> None:
    with style.house_style():
        figure = drawings.figure(UNINAS.drawing(KNOWN["example"]))
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
        model = UNINAS.mutate(model, rng)
    drawing = UNINAS.drawing(model)
    inside(drawings.figure(drawing))
    small = UNINAS.drawing(Model.parse("4-4:96:{conv1,zero|bn}:px=16"))
    pale = drawings.figure(small).axes[0].patches
    assert [patch.get_alpha() for patch in pale] == [0.55, 1.0, 1.0]
    assert texts(drawings.figure(replace(small, title="Mine")))[0] == "Mine"


def inside(figure: Figure) -> None:
    """All boxes lie in the figure."""
    axes = figure.axes[0]
    for box in axes.patches:
        if isinstance(box, FancyBboxPatch):
            left, right = box.get_x(), box.get_x() + box.get_width()
            assert axes.get_xlim()[0] <= left < right <= axes.get_xlim()[1]
            assert axes.get_ylim()[0] <= box.get_y() < box.get_y() + box.get_height() <= 0


@pytest.mark.parametrize(
    ("benchmark", "cell", "edges", "pale"),
    [("nasbench201", Cell.parse(CELL), 6, 2), ("nasbench101", BRANCHED, BRANCHED.edges, 0)],
    ids=["nasbench201", "nasbench101"],
)
def test_graphs(benchmark: str, cell: object, edges: int, pale: int) -> None:
    space = BENCHMARKS[benchmark].space
    assert isinstance(space, HasDrawing)
    drawing = space.drawing(cell)
    assert isinstance(drawing, Graph)
    assert (len(drawing.edges), sum(edge.pale for edge in drawing.edges)) == (edges, pale)
    figure = drawings.figure(drawing)
    inside(figure)
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == edges
    said = texts(figure)
    assert {"input", "output", "1×1", "3×3"} <= set(said)
    figure.canvas.draw()
    spans = [text.get_window_extent() for text in figure.axes[0].texts[2:]]
    assert not [pair for pair in combinations(spans, 2) if pair[0].overlaps(pair[1])]
