"""Figures of a published table regenerated: against the paper, against size, between methods.

Every function takes finished numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from harness.evaluation.declared import METRICS
from harness.report import style

_TAU = METRICS["kendall_tau"].label
_TYPES = {"simple": style.ACCENT, "aggregate": style.AGGREGATE, "model": style.MODEL}


def published_figure(comparison: pd.DataFrame, title: str) -> Figure:
    """Our tau with its interval beside the published tau, one panel a dataset.

    Args:
        comparison: Of `harness.evaluation.published.compare`, of all datasets.
        title: Of the figure.
    """
    rows = comparison[comparison["in_paper"]]
    datasets = list(dict.fromkeys(rows["dataset"]))
    methods = list(dict.fromkeys(rows["method"]))
    figure = style.Picture(
        figsize=(2.2 + 2.9 * len(datasets), 1.5 + 0.29 * len(methods)), layout="constrained"
    )
    panels = figure.subplots(1, len(datasets), sharey=True, sharex=True, squeeze=False)[0]
    for axes, dataset in zip(panels, datasets, strict=True):
        _published_panel(axes, rows[rows["dataset"] == dataset])
        axes.set_title(dataset)
    panels[0].set_yticks(range(len(methods)), methods)
    panels[0].set_ylim(len(methods) - 0.4, -0.6)  # the paper's first row on top
    handles = [
        Line2D([], [], color=style.ACCENT, marker="o", lw=2.5, label="ours, 95 % interval"),
        Line2D([], [], color=style.INK, marker="D", ls="", mfc="none", label="published"),
        Line2D(
            [], [], color=style.CEILING, marker="D", ls="", mfc="none",
            label="published, outside our interval",
        ),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    # Not the figure's label: that would lie under the legend.
    panels[len(panels) // 2].set_xlabel(f"{_TAU} with trained accuracy")
    return figure


def _published_panel(axes: Axes, rows: pd.DataFrame) -> None:
    for y, (_, row) in enumerate(rows.iterrows()):
        tau, low, high = (row[f"kendall_tau{end}"] for end in ("", "_low", "_high"))
        axes.plot([low, high], [y, y], color=style.ACCENT, lw=2.5)
        axes.plot(tau, y, "o", color=style.ACCENT, ms=6)
        edge = style.CEILING if row["kendall_tau_outside"] else style.INK
        axes.plot(row["kendall_tau_published"], y, "D", color=edge, mfc="none", ms=6.5, mew=1.2)
        if not row["n"]:
            axes.annotate(
                "not scored", (0.01, y), xycoords=("axes fraction", "data"), va="center",
                fontsize=8, color=style.MUTED,
            )  # fmt: skip
    axes.grid()
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def size_figure(comparison: pd.DataFrame, title: str) -> Figure:
    """Tau to accuracy against tau to parameters: one named point a method, a panel a dataset.

    Up and to the left is better: a ranking that is right without being that of size.

    Args:
        comparison: Of `harness.evaluation.published.compare`, of all datasets.
        title: Of the figure.
    """
    rows = comparison[comparison["kendall_tau"].notna() & comparison["tau_params"].notna()]
    datasets = list(dict.fromkeys(comparison["dataset"]))
    columns = min(2, len(datasets))
    lines = math.ceil(len(datasets) / columns)
    figure = style.Picture(figsize=(5.1 * columns + 0.4, 4.6 * lines + 0.6), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes, dataset in zip(grid.flat, datasets, strict=False):
        _size_panel(axes, rows[rows["dataset"] == dataset])
        axes.set_title(dataset)
        axes.set_xlabel(f"{_TAU} with the number of parameters")
        axes.set_ylabel(f"{_TAU} with trained accuracy")
    for axes in grid.flat[len(datasets) :]:
        axes.set_visible(False)
    handles = [
        Line2D([], [], color=colour, marker="o", ls="", label=kind)
        for kind, colour in _TYPES.items()
        if (rows["type"] == kind).any()
    ]
    if len(handles) > 1:
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    # Labels are placed where they do not meet, which the final layout decides.
    figure.draw_without_rendering()
    for axes, dataset in zip(grid.flat, datasets, strict=False):
        panel = rows[rows["dataset"] == dataset]
        label_points(
            axes,
            panel["tau_params"].to_numpy(dtype=float),
            panel["kendall_tau"].to_numpy(dtype=float),
            list(panel["method"]),
        )
    return figure


def _size_panel(axes: Axes, rows: pd.DataFrame) -> None:
    for _, row in rows.iterrows():
        x, y = row["tau_params"], row["kendall_tau"]
        axes.plot(
            [row["tau_params_low"], row["tau_params_high"]], [y, y],
            color=style.BASELINE, lw=1, alpha=0.6, zorder=1,
        )  # fmt: skip
        axes.plot(
            [x, x], [row["kendall_tau_low"], row["kendall_tau_high"]],
            color=style.BASELINE, lw=1, alpha=0.6, zorder=1,
        )  # fmt: skip
        axes.plot(x, y, "o", color=_TYPES[row["type"]], ms=6, zorder=3)
    axes.grid()
    axes.set_axisbelow(True)
    axes.margins(0.12)


#: Where a label may stand: directions of its anchor from the point, and distances in points.
_ANGLES = np.radians([0, 180, 45, 135, -45, -135, 90, -90, 20, 160, -20, -160, 70, 110, -70, -110])
_DISTANCES = (7.0, 14.0, 22.0, 32.0, 44.0, 58.0, 74.0)
_SIZE = 9.5


def label_points(
    axes: Axes, x: np.ndarray, y: np.ndarray, labels: Sequence[str]
) -> list[tuple[float, float, float, float]]:
    """Name points so that no label covers a point or another label; far ones get a line.

    Args:
        axes: Drawn on; its limits are final.
        x: (n,) in data units.
        y: (n,) in data units.
        labels: (n,) names.

    Returns:
        (left, bottom, right, top) of every label in points, in the order of `labels`.
    """
    scale = 72 / axes.figure.dpi
    points = axes.transData.transform(np.column_stack([x, y])) * scale
    area = axes.get_window_extent()
    edges = (area.x0 * scale, area.y0 * scale, area.x1 * scale, area.y1 * scale)
    taken = [(px - 4, py - 4, px + 4, py + 4) for px, py in points]
    boxes: dict[int, tuple[float, float, float, float]] = {}
    # The most crowded first, while there is room.
    gaps = np.hypot(*(points[:, None] - points).transpose(2, 0, 1))
    crowd = (gaps < 40).sum(axis=1)
    for index in np.argsort(-crowd, kind="stable"):
        width, height = 0.6 * _SIZE * len(labels[index]), 1.25 * _SIZE
        own = tuple(points[index])
        places = [
            _box(own, angle, distance, width, height)
            for distance in _DISTANCES
            for angle in _ANGLES
        ]
        costs = [
            100 * sum(_overlap(place, other) for other in (*taken, *boxes.values()))
            + 1000 * _beyond(place, edges)
            + number / len(_ANGLES)
            for number, place in enumerate(places)
        ]
        box = boxes[int(index)] = places[int(np.argmin(costs))]
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        far = int(np.argmin(costs)) >= 2 * len(_ANGLES)
        axes.annotate(
            labels[index],
            (x[index], y[index]),
            xytext=(centre[0] - own[0], centre[1] - own[1]),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_SIZE,
            color=style.INK,
            arrowprops={"arrowstyle": "-", "color": style.MUTED, "lw": 0.6} if far else None,
            zorder=4,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
    return [boxes[index] for index in range(len(labels))]


def _box(
    point: tuple[float, ...], angle: float, distance: float, width: float, height: float
) -> tuple[float, float, float, float]:
    """A label whose nearest side is `distance` from the point, in direction `angle`."""
    along, up = math.cos(angle), math.sin(angle)
    x = point[0] + along * (distance + width / 2)
    y = point[1] + up * (distance + height / 2)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    up = min(a[3], b[3]) - max(a[1], b[1])
    return across * up if across > 0 and up > 0 else 0.0


def _beyond(box: tuple[float, ...], edges: tuple[float, ...]) -> float:
    low = max(0.0, edges[0] - box[0]) + max(0.0, edges[1] - box[1])
    return low + max(0.0, box[2] - edges[2]) + max(0.0, box[3] - edges[3])


def correlation_figure(tau: pd.DataFrame, title: str) -> Figure:
    """Kendall's tau between all pairs as a heat map with numbers.

    Args:
        tau: Square, of `harness.evaluation.correlations.correlations`.
        title: Of the figure.
    """
    names = list(map(str, tau.columns))
    side = 2.0 + 0.42 * len(names)
    figure = style.Picture(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    values = tau.to_numpy(dtype=float)
    # Both signs are of interest: blue agrees, red disagrees, white is independent.
    image = axes.imshow(np.ma.masked_invalid(values), cmap="RdBu", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (i, j), value in np.ndenumerate(values):
        if math.isfinite(value):
            text = f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.0f}"
            ink = "white" if abs(value) > 0.5 else style.INK
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color=ink)
    axes.axhline(0.5, color="white", lw=3)
    axes.axvline(0.5, color="white", lw=3)
    axes.set_title(title)
    figure.colorbar(image, ax=axes, label=_TAU, shrink=0.8)
    return figure
