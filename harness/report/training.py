"""Folders of a training: what is written, and read again to be shown without training.

| file | what |
|---|---|
| `result.json` | protocol, facts and figures |
| `history.csv` | one row an epoch, to the last digit |
| `training.md`, `figures.csv` | the figures as a page, and as data |
| `curve` | figure, `.png`, `.svg`, `.pdf` |
| `environment.json` | what it was computed with |
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.errors import InputError
from harness.report import folders, style, training_plots
from harness.report.tables import markdown, number
from harness.training.result import Training

KIND = "training"
HISTORY = "history.csv"


@dataclass(frozen=True)
class Shown:
    """How a figure is shown.

    Attributes:
        title: With its unit.
        digits: Decimals.
        unit: It is divided by it.
    """

    title: str
    digits: int = 2
    unit: float = 1.0


#: Figures in the order in which they are shown, in the units of the papers; others follow them.
FIGURES: Mapping[str, Shown] = {
    "top1": Shown("top-1 (%)"),
    "top5": Shown("top-5 (%)"),
    "ap_box": Shown("AP box"),
    "ap_box_50": Shown("AP box at IoU .50"),
    "ap_box_75": Shown("AP box at IoU .75"),
    "ap_mask": Shown("AP mask"),
    "ap_mask_50": Shown("AP mask at IoU .50"),
    "ap_mask_75": Shown("AP mask at IoU .75"),
    "miou": Shown("mIoU (%)"),
    "pixel_accuracy": Shown("pixel accuracy (%)"),
    "params": Shown("params (M)", 3, 1e6),
    "params_with_head": Shown("params with head (M)", 3, 1e6),
    "flops": Shown("FLOPs (G)", 3, 1e9),
    "flops_with_head": Shown("FLOPs with head (G)", 3, 1e9),
    "images_per_second": Shown("images/s, inference", 1),
    "train_images_per_second": Shown("images/s, training", 1),
}
_NOTES = (
    "FLOPs: two for a multiply-accumulate, at the protocol's resolution; without head: of the "
    "network alone, as papers print them. -: not measured, or not a finite number."
)


def state(result: Training) -> str:
    """Epochs done, of those planned, in words."""
    done, planned = result.facts["epochs"]
    if done < planned:
        return f"{done} of {planned}, not finished"
    return str(done)


def cells(result: Training) -> list[list[str]]:
    """Heading and rows of the shown table: a row a figure."""
    named = [*FIGURES, *(name for name in result.figures if name not in FIGURES)]
    body = []
    for name in named:
        alone = name.removesuffix("_with_head")
        if name != alone and result.figures.get(name) == result.figures.get(alone):
            continue  # the network is its own head
        if name in result.figures:
            shown = FIGURES.get(name, Shown(name.replace("_", " ")))
            body.append([shown.title, number(result.figures[name] / shown.unit, shown.digits)])
    body.append(["epochs", state(result)])
    broken = training_plots.broken_epochs(result.history)
    if broken:
        body.append(["epochs without a finite loss", ", ".join(map(str, broken))])
    return [["figure", "value"], *body]


def page(result: Training) -> str:
    """The training as a page: figures, curve, protocol."""
    facts = result.facts
    identity = facts["identity"]
    lines = [
        f"{identity['space']}: `{identity['architecture']}`",
        f"{facts['classes']} classes; seed {identity['seed']}; {_gpus(identity['gpus'])}, "
        f"{identity['precision']}; images a second on {facts.get('device', 'an unknown device')}",
        *result.protocol,
    ]
    parts = [f"# {result.title}", markdown(cells(result)), f"![The training's curve]({CURVE}.png)"]
    if facts["epochs"][0] < facts["epochs"][1]:
        parts.insert(1, "**Not finished: figures are those of the last epoch that was done.**")
    parts += ["Protocol:", "\n".join(f"- {line}" for line in lines), _NOTES]
    parts.append(f"Every epoch: `{HISTORY}`; the figures as data: `figures.csv`.")
    return "\n\n".join(parts) + "\n"


def _gpus(count: int) -> str:
    return "1 GPU or process" if count == 1 else f"{count} GPUs, processes or parts of a step"


CURVE = "curve"


def figure(result: Training, name: str = CURVE) -> Figure:
    """A figure of a training: "curve", loss, learning rate and the task's figures.

    Raises:
        InputError: There is no such figure.
    """
    if name != CURVE:
        raise InputError(f"unknown figure {name!r}; there are: {CURVE}")
    metrics = {
        n: s.title for n, s in FIGURES.items() if n in training_plots.metrics(result.history)
    }
    first = str(result.facts["metric"])
    return training_plots.curve_figure(
        result.history, metrics, first, int(result.facts["epochs"][1]), result.title
    )


def save(result: Training, folder: Path) -> list[Path]:
    """Write a training as data, each file whole or not at all.

    Returns:
        The files.

    Raises:
        InputError: The folder cannot be written.
    """
    figures = {n: float(v) if math.isfinite(v) else None for n, v in result.figures.items()}
    written = folders.write(
        folder, KIND, result.facts, list(result.protocol), title=result.title, figures=figures
    )
    history = result.history.to_csv(index=False, lineterminator="\n")
    return [*written, folders.text(folder / HISTORY, history)]


def write(result: Training, folder: Path) -> list[Path]:
    """Write tables and the figure of a training, from the result alone.

    Returns:
        The files.

    Raises:
        InputError: The folder cannot be written.
    """
    frame = pd.DataFrame({"figure": list(result.figures), "value": list(result.figures.values())})
    written = [
        folders.text(folder / "figures.csv", frame.to_csv(index=False, lineterminator="\n")),
        folders.text(folder / "training.md", page(result)),
    ]
    with style.house_style():
        written += style.save(figure(result), folder / CURVE)
    return written


def load(folder: Path) -> Training:
    """A training that `save` wrote.

    Raises:
        InputError: The folder holds none, or it is damaged.
    """
    held = folders.read(folder)
    try:
        if held["kind"] != KIND:
            raise ValueError(f"it is of the kind {held['kind']}")
        facts = held["facts"]
        _check(facts)
        figures = {
            str(name): math.nan if value is None else float(value)
            for name, value in held["figures"].items()
        }
        text = (folder / HISTORY).read_text(encoding="utf-8")
        history = pd.read_csv(io.StringIO(text))
        if not {"epoch", "rate", "loss"} <= set(history):
            raise ValueError(f"{HISTORY} lacks one of the columns epoch, rate, loss")
        protocol: Sequence[str] = list(map(str, held["protocol"]))
        return Training(str(held["title"]), facts, protocol, history, figures)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder} holds no whole training ({type(error).__name__}: {error}); train again"
        ) from error


def _check(facts: Mapping[str, object]) -> None:
    """See that what is shown of a training is there."""
    identity = facts["identity"]
    if not isinstance(identity, dict):
        raise TypeError("identity is no group of facts")
    for name in ("space", "architecture", "task", "protocol", "data", "seed", "gpus", "precision"):
        if name not in identity:
            raise KeyError(name)
    for name in ("classes", "metric"):
        if name not in facts:
            raise KeyError(name)
    epochs = facts["epochs"]
    if not (isinstance(epochs, list | tuple) and list(map(type, epochs)) == [int, int]):
        raise TypeError(f"epochs is {epochs!r}, not [done, planned]")
