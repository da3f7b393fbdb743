"""Figures of an evaluation. Every function takes finished numbers and draws on given axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from harness.evaluation.declared import METRICS
from harness.report import style


def tau_chart(
    axes: Axes,
    evaluation: pd.DataFrame,
    baselines: Sequence[str],
    ceiling: tuple[float, float, float] | None = None,
) -> None:
    """Kendall's tau of every proxy: a dot and its 95 % interval, the best on top.

    Args:
        axes: Drawn on.
        evaluation: Columns `proxy`, `kendall_tau`, `kendall_tau_low`, `kendall_tau_high`.
        baselines: Proxies drawn in grey.
        ceiling: Tau of two trainings of the same architectures, and its interval.
    """
    known = evaluation[evaluation["kendall_tau"].notna()]  # what failed has no dot
    rows = known.sort_values("kendall_tau").reset_index(drop=True)
    for y, (_, row) in enumerate(rows.iterrows()):
        colour = style.BASELINE if row["proxy"] in baselines else style.ACCENT
        axes.plot([row["kendall_tau_low"], row["kendall_tau_high"]], [y, y], color=colour, lw=2.5)
        axes.plot(row["kendall_tau"], y, "o", color=colour, ms=7)
        axes.annotate(
            f"{row['kendall_tau']:.3f}",
            (row["kendall_tau_high"], y),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=style.INK,
        )
    axes.set_yticks(range(len(rows)), rows["proxy"])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    low = min(0.0, float(rows["kendall_tau_low"].min()) - 0.05)
    axes.set_xlim(low, 1.0)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    label = METRICS["kendall_tau"].label
    axes.set_xlabel(f"{label} with trained accuracy (dot, 95 % interval)")
    if ceiling is not None:
        axes.axvspan(ceiling[1], ceiling[2], color=style.CEILING, alpha=0.2, lw=0)
        axes.axvline(ceiling[0], color=style.CEILING, lw=1.5, ls="--")
        axes.annotate(
            f"retraining ceiling {ceiling[0]:.3f}",
            (ceiling[0], 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=9,
            color=style.CEILING,
        )


def rank_scatter(
    axes: Axes,
    scores: np.ndarray,
    accuracies: np.ndarray,
    params: np.ndarray,
    scale: float = 1.0,
) -> PathCollection:
    """Rank predicted by a proxy against trained accuracy, coloured by size.

    Args:
        axes: Drawn on.
        scores: (n,) scores; the best gets rank 1, ties their mean rank.
        accuracies: (n,) percent.
        params: (n,) parameters.
        scale: Of the points' area.

    Returns:
        The points, for a colour bar.
    """
    ranks = pd.Series(-scores).rank(method="average").to_numpy()
    points = axes.scatter(
        ranks,
        accuracies,
        c=params / 1e6,
        cmap=style.SIZE_MAP,
        s=scale * max(4.0, min(16.0, 6000 / len(ranks))),
        alpha=0.75,
        lw=0,
        rasterized=True,
    )
    axes.set_xlim(len(ranks) * 1.02, 1 - len(ranks) * 0.02)
    # A few collapsed trainings would flatten all the others: the axis shows the upper 98 %.
    floor = float(np.quantile(accuracies, 0.02))
    ceiling = float(accuracies.max())
    axes.set_ylim(floor - 0.05 * (ceiling - floor), ceiling + 0.05 * (ceiling - floor))
    axes.grid()
    axes.set_axisbelow(True)
    return points


def evaluation_figure(
    evaluation: pd.DataFrame,
    baselines: Sequence[str],
    title: str,
    ceiling: tuple[float, float, float] | None,
) -> Figure:
    """The dot-and-interval chart as a figure of its own."""
    figure = style.Picture(figsize=(7.5, 1.4 + 0.42 * evaluation["kendall_tau"].notna().sum()))
    axes = figure.subplots()
    tau_chart(axes, evaluation, baselines, ceiling)
    axes.set_title(title, pad=18)
    return figure


def ranking_figure(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    taus: Mapping[str, float],
    title: str,
) -> Figure:
    """One `rank_scatter` a proxy, on common axes.

    Args:
        panels: Scores, accuracies and parameters, by proxy.
        taus: Kendall's tau of each.
        title: Of the figure.
    """
    columns = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
    rows = math.ceil(len(panels) / columns)
    # Many panels are small ones: the file of a page stays below a megabyte.
    width, height = (3.7, 3.2) if len(panels) <= 9 else (1.9, 1.7)
    figure = style.Picture(
        figsize=(width * columns + 1.4, height * rows + 0.7), layout="constrained"
    )
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    points = None
    for axes, (name, arrays) in zip(grid.flat, panels.items(), strict=False):
        points = rank_scatter(axes, *arrays, scale=1.0 if width > 3 else 0.3)
        tau = METRICS["kendall_tau"].symbol
        axes.set_title(f"{name}   {tau} = {taus[name]:.3f}", fontsize=11 if width > 3 else 8)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.supxlabel("rank predicted by the proxy (best on the right)", fontsize=10)
    figure.supylabel("trained accuracy (%; the lowest 2 % not shown)", fontsize=10)
    if points is not None:
        figure.colorbar(points, ax=grid, label="parameters (M)", shrink=0.9)
    return figure


def difference_figure(
    pairs: pd.DataFrame, title: str, metric: str = "kendall_tau", order: Sequence[str] = ()
) -> Figure:
    """By how much each proxy ranks better than each other: a matrix, row less column.

    A cell is coloured where the 95 % interval of the difference excludes 0, and stays pale where
    it does not.

    Args:
        pairs: Of `harness.evaluation.compare.compare_all`.
        title: Of the figure.
        metric: Which of the pairs'.
        order: Names in the order in which they stand; those that it lacks come last.
    """
    rows = pairs[pairs["metric"] == metric]
    there = list(dict.fromkeys([*rows["a"], *rows["b"]]))
    names = [name for name in order if name in there]
    names += [name for name in there if name not in names]
    place = {name: index for index, name in enumerate(names)}
    side = 2.4 + 0.46 * len(names)
    figure = style.Picture(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    colours = np.full((len(names), len(names), 4), mpl.colors.to_rgba("#f4f5f7"))
    for _, row in rows.iterrows():
        i, j = place[row["a"]], place[row["b"]]
        value, sure = float(row["difference"]), row["low"] > 0 or row["high"] < 0
        for y, x, signed in ((i, j, value), (j, i, -value)):
            colour = style.BETTER if signed > 0 else style.WORSE if signed < 0 else style.MUTED
            colours[y, x] = mpl.colors.to_rgba(colour, 0.85 if sure else 0.13)
            text = f"{signed:+.2f}".replace("0.", ".", 1) if math.isfinite(signed) else "-"
            ink = "white" if sure else style.INK
            axes.text(x, y, text, ha="center", va="center", fontsize=8, color=ink)
    axes.imshow(colours)
    axes.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=1.5)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(title)
    label = METRICS[metric].label
    axes.set_xlabel(
        f"{label}: row less column; strong where the paired 95 % interval excludes 0", fontsize=9
    )
    return figure
