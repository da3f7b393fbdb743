"""The figure of a training. Every function takes finished numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from harness.report import style

#: Columns of a history that are no figures of the task, though they stand behind its speed.
_SPEED = "images_per_second"
_BESIDE = ("validation_images_per_second",)
_LINES = (style.ACCENT, style.AGGREGATE, style.MODEL, "#b58900", "#d33682", style.CEILING)
#: Figures that are drawn: more are a tangle.
_MOST = 3


def metrics(history: pd.DataFrame) -> list[str]:
    """Names of the task's figures in a history: the columns behind the speed of training."""
    names = list(map(str, history.columns))
    start = names.index(_SPEED) + 1 if _SPEED in names else len(names)
    return [name for name in names[start:] if name not in _BESIDE]


def losses(history: pd.DataFrame) -> list[str]:
    """Names of the single losses, where there are several."""
    names = list(map(str, history.columns))
    end = names.index("seconds") if "seconds" in names else len(names)
    found = names[names.index("loss") + 1 : end]
    return found if len(found) > 1 else []


def broken_epochs(history: pd.DataFrame) -> list[int]:
    """Epochs whose loss is no finite number."""
    return [int(e) for e in history.loc[~np.isfinite(history["loss"]), "epoch"]]


def curve_figure(
    history: pd.DataFrame,
    titles: Mapping[str, str],
    first: str,
    planned: int,
    title: str,
) -> Figure:
    """Loss above the learning rate, and the task's figures beside them, against epochs.

    Args:
        history: Of `harness.training.result.Training`.
        titles: Of the figures that are known, in their order.
        first: The figure that says how good the network is.
        planned: Epochs of the whole training; those not done stay empty.
        title: Of the figure.
    """
    engine = ConstrainedLayoutEngine(wspace=0.06)
    figure = style.Picture(figsize=(10.5, 4.6), layout=engine)
    panels = figure.subplot_mosaic(
        [["loss", "metric"], ["rate", "metric"]], height_ratios=[2.6, 1], width_ratios=[1, 1]
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    epochs = history["epoch"].to_numpy(dtype=float)
    _loss_panel(panels["loss"], epochs, history)
    _rate_panel(panels["rate"], epochs, history["rate"].to_numpy(dtype=float))
    _metric_panel(panels["metric"], epochs, history, titles, first)
    for axes in panels.values():
        axes.set_xlim(*_span(epochs, planned))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.grid()
        axes.set_axisbelow(True)
        _not_done(axes, epochs, planned)
    for name in ("rate", "metric"):
        panels[name].set_xlabel("epoch")
    panels["loss"].tick_params(labelbottom=False)
    if len(epochs) and epochs[-1] < planned:
        axes = panels["metric"]
        axes.text(
            (epochs[-1] + planned) / 2, 0.5, "not done", transform=axes.get_xaxis_transform(),
            ha="center", va="center", rotation=90, color=style.MUTED, fontsize=9,
        )  # fmt: skip
    return figure


def _span(epochs: NDArray[np.float64], planned: int) -> tuple[float, float]:
    last = max(planned, int(epochs.max()) if len(epochs) else 1)
    margin = max(0.02 * (last - 1), 0.25)
    return 1 - margin, last + margin


def _not_done(axes: Axes, epochs: NDArray[np.float64], planned: int) -> None:
    done = epochs[-1] if len(epochs) else 0
    if done < planned:
        axes.axvspan(done, planned + 1, color=style.BASELINE, alpha=0.12, lw=0)


def _line(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], **how: object) -> None:
    """A line; with dots where epochs are few, so that a single one is seen too."""
    few = len(x) <= 15
    marker = {"marker": "o", "ms": 4.5, "mec": "white", "mew": 0.8} if few else {}
    axes.plot(x, y, **marker, **how)  # type: ignore[arg-type]


def _loss_panel(axes: Axes, epochs: NDArray[np.float64], history: pd.DataFrame) -> None:
    parts = losses(history)
    for name, colour in zip(parts, _LINES[1:], strict=False):
        values = _finite(history[name])
        axes.plot(epochs, values, color=colour, lw=1.2, alpha=0.9, label=name.replace("_", " "))
    _line(axes, epochs, _finite(history["loss"]), color=style.ACCENT, lw=2,
          label="sum" if parts else "loss")  # fmt: skip
    axes.set_ylabel("training loss")
    broken = broken_epochs(history)
    if broken:  # at the upper edge: there is no height for what is no number
        axes.plot(
            broken, [0.97] * len(broken), "X", transform=axes.get_xaxis_transform(), ms=8,
            color=style.WORSE, mec="white", label="not a finite number", clip_on=False, ls="",
        )  # fmt: skip
    if parts or broken:
        axes.legend(fontsize=8.5, ncols=2 if len(parts) > 3 else 1, loc="upper right")
    values = _finite(history["loss"])
    if np.isfinite(values).any():
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(values))))


def _rate_panel(axes: Axes, epochs: NDArray[np.float64], rates: NDArray[np.float64]) -> None:
    axes.fill_between(epochs, 0, rates, color=style.INK, alpha=0.08, lw=0)
    _line(axes, epochs, rates, color=style.INK, lw=1.5)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_ylabel("learning rate")


def short(value: float) -> str:
    """A learning rate as people write it.

    >>> short(4e-4), short(0.05), short(0.0)
    ('4e-4', '0.05', '0')
    """
    if value == 0 or abs(value) >= 1e-2:
        return f"{value:g}"
    digits, _, power = f"{value:.6e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def _metric_panel(
    axes: Axes,
    epochs: NDArray[np.float64],
    history: pd.DataFrame,
    titles: Mapping[str, str],
    first: str,
) -> None:
    drawn = _drawn(metrics(history), first)
    ends: list[tuple[float, str, str]] = []
    for name, colour in zip(drawn, _LINES, strict=False):
        values = history[name].to_numpy(dtype=float)
        judged = np.isfinite(values)
        if not judged.any():
            continue
        main = name == first
        _line(axes, epochs[judged], values[judged], color=colour, lw=2.2 if main else 1.5)
        label = f"{titles.get(name, name.replace('_', ' '))}  "
        ends.append((float(values[judged][-1]), label, colour))
    if not ends:
        axes.text(0.5, 0.5, "not validated", transform=axes.transAxes, ha="center",
                  color=style.MUTED)  # fmt: skip
    for value, label, colour in ends:
        axes.plot([], [], color=colour, lw=2, label=f"{label}{value:.2f}")
    if ends:
        axes.legend(
            title="at the last validation", title_fontsize=8.5, fontsize=9, loc="lower right",
            alignment="left", frameon=True, framealpha=0.85, edgecolor="none",
        )  # fmt: skip
        axes.set_ylim(bottom=0)
    axes.set_ylabel("on validation images (%)")


def _drawn(names: Sequence[str], first: str) -> list[str]:
    """The figures that are drawn: the task's own, then those that are not variants of others."""
    plain = [n for n in names if not n.endswith(("_50", "_75")) and n != first]
    return [*([first] if first in names else []), *plain][:_MOST]


def _finite(values: pd.Series) -> NDArray[np.float64]:
    numbers = values.to_numpy(dtype=float)
    return np.where(np.isfinite(numbers), numbers, np.nan)
