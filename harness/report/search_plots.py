"""Figures of searches. Every function takes finished numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from harness.report import style

#: By label: (3, evaluations), lower quartile, median, upper quartile.
Curves = Mapping[str, NDArray[np.float64]]

_LINES = (
    style.ACCENT, style.AGGREGATE, style.CEILING, style.MODEL, style.INK, "#b58900", "#d33682",
    style.BASELINE,
)  # fmt: skip
#: Accuracies have two decimals, so a regret below half of the last is none.
_NO_REGRET = 0.005


def band_chart(axes: Axes, curves: Curves) -> None:
    """A step line and a band for each label, over the number of evaluations."""
    for place, (label, (low, middle, high)) in enumerate(curves.items()):
        colour = _LINES[place % len(_LINES)]
        line = "-" if place < len(_LINES) else "--"
        steps = np.arange(1, len(middle) + 1)
        axes.fill_between(steps, low, high, step="post", color=colour, alpha=0.15, lw=0)
        axes.step(steps, middle, where="post", color=colour, lw=1.8, ls=line, label=label)
    axes.set_xlim(1, max(2, *(len(middle) for _, middle, _ in curves.values())))
    axes.grid()
    axes.set_axisbelow(True)


def accuracy_figure(accuracy: Curves, optimum: float, title: str) -> Figure:
    """Accuracy of the best by the proxy so far, and its regret on a logarithmic scale.

    Args:
        accuracy: Percent.
        optimum: The best that could be found, percent.
        title: Of the figure.
    """
    figure, (left, right) = _two_panels(title)
    band_chart(left, accuracy)
    left.axhline(optimum, color=style.MUTED, lw=1.2, ls="--")
    left.annotate(
        f"optimum {optimum:.2f}", (1.0, optimum), xycoords=("axes fraction", "data"),
        xytext=(0, 3), textcoords="offset points", ha="right", fontsize=9, color=style.MUTED,
    )  # fmt: skip
    # The first evaluations are anything: the axis shows where the searches end up.
    ends = np.concatenate([curve[:, curve.shape[1] // 10 :].ravel() for curve in accuracy.values()])
    floor = float(np.nanquantile(ends, 0.02))
    left.set_ylim(floor - 0.08 * (optimum - floor), optimum + 0.12 * (optimum - floor) + 1e-3)
    left.set_ylabel("true accuracy of the proxy's best so far (%)")
    # The quartiles change sides: much accuracy is little regret.
    regret = {
        label: np.maximum(optimum - curve[::-1], _NO_REGRET) for label, curve in accuracy.items()
    }
    band_chart(right, regret)
    _plain_log(right)
    right.set_ylabel(f"regret (points; {_NO_REGRET:g}: none)")
    _finish(figure, left)
    return figure


def progress_figure(rank: Curves, flops: Curves, limit: float | None, title: str) -> Figure:
    """Where no accuracy is known: rank of the best so far among all visited, and its FLOPs.

    Args:
        rank: Of the incumbent by the final scores of its search; 1 is the best.
        flops: Of the incumbent.
        limit: Largest allowed; None: any.
        title: Of the figure.
    """
    figure, (left, right) = _two_panels(title)
    band_chart(left, rank)
    _plain_log(left)
    left.invert_yaxis()
    left.set_ylabel("final rank of the best so far (1: what was found)")
    band_chart(right, {label: curve / 1e6 for label, curve in flops.items()})
    if limit is not None:
        right.axhline(limit / 1e6, color=style.MUTED, lw=1.2, ls="--")
    right.set_ylabel("MFLOPs of the best so far (dashed: the limit)")
    _finish(figure, left)
    return figure


def _plain_log(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _two_panels(title: str) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = style.Picture(figsize=(10.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure, (left, right)


def _finish(figure: Figure, axes: Axes) -> None:
    for each in figure.axes:
        each.set_xlabel("evaluations (line: median over seeds, band: quartiles)")
    handles, _ = axes.get_legend_handles_labels()
    columns = min(len(handles), 5)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9)
