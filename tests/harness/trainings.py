"""Trainings that nobody trained, for tests of what is shown of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.uninas.architecture import KNOWN
from harness.training.recipe.protocol import protocol
from harness.training.result import Training

#: Figures of each task, as its evaluator calls them.
FIGURES = {
    "classification": ("top1", "top5"),
    "detection": ("ap_box", "ap_box_50", "ap_box_75", "ap_mask", "ap_mask_50", "ap_mask_75"),
    "segmentation": ("miou", "pixel_accuracy"),
}
LOSSES = {
    "classification": (),
    "detection": ("classifier", "box", "mask", "objectness", "rpn_box"),
    "segmentation": (),
}
#: Classes and training images of the papers' data.
DATA = {
    "classification": (1000, 1281167),
    "detection": (80, 117266),
    "segmentation": (150, 20210),
}

#: Their validation images.
JUDGED = {"classification": 50000, "detection": 5000, "segmentation": 2000}


def made(
    task: str = "classification",
    *,
    architecture: str = "resnet",
    epochs: int | None = None,
    done: int | None = None,
    value: float = 70.0,
    seed: int = 0,
    name: str = "",
    data: tuple[int, int] | None = None,
    **changes: Any,
) -> Training:
    """A training by a UniNAS protocol whose last figure is `value`.

    Args:
        task: See `FIGURES`.
        architecture: Name of a known UniNAS network, or an id.
        epochs: Planned; None: the protocol's.
        done: Of these; None: all.
        value: The task's figure at the end.
        seed: Of the training.
        name: What the user called it.
        data: Classes and training images; None: the paper's.
        changes: Settings of the protocol.
    """
    recipe = protocol(f"uninas_{task}").changed(epochs=epochs, **changes)
    done = recipe.epochs if done is None else done
    classes, images = data or DATA[task]
    history = _history(task, recipe.epochs, done, value)
    last = {n: float(history[n].iloc[-1]) for n in FIGURES[task]}
    known = KNOWN.get(architecture)
    identity = {
        "space": "uninas", "architecture": known.id if known else architecture, "task": task,
        "protocol": recipe.plain(), "data": {"sha256": "0"}, "seed": seed,
        "gpus": 8, "precision": "float32",
        "weights": "drawn" if task == "classification" else "0123456789ab",
    }  # fmt: skip
    facts = {
        "identity": identity, "dataset": "imagenet", "classes": classes,
        "images": images, "validation": JUDGED[task],
        "metric": FIGURES[task][0], "epochs": [done, recipe.epochs],
        "model": name,
        "device": "CPU, 2 threads", "environment": {"python": "3.11"},
    }  # fmt: skip
    size = {"params": 24_817_416.0, "flops": 9.03e9, "params_with_head": 25e6}
    speed = {"images_per_second": 123.4, "train_images_per_second": math.nan}
    title = f"{name or architecture} on scenes: {task}"
    figures = {**last, **size, "flops_with_head": 9.1e9, **speed}
    return Training(title, facts, recipe.lines(), history, figures)


def with_loss(result: Training, epoch: int, loss: float) -> Training:
    """The same with another loss in one epoch."""
    history = result.history.copy()
    history.loc[history["epoch"] == epoch, "loss"] = loss
    return dataclasses.replace(result, history=history)


def _history(task: str, epochs: int, done: int, value: float) -> pd.DataFrame:
    rng = np.random.RandomState(0)
    epoch = np.arange(1, done + 1)
    part = epoch / epochs
    warm = np.minimum(epoch / max(0.1 * epochs, 1), 1)
    frame = pd.DataFrame({"epoch": epoch, "step": 100 * epoch})
    frame["rate"] = 8e-4 * warm * (1 + np.cos(np.pi * part)) / 2 + 8e-6
    frame["loss"] = 0.0
    for name in LOSSES[task] or ("labels",):
        frame[name] = rng.uniform(0.7, 1.3) * np.exp(-4 * part) + 0.2 + 0.01 * rng.rand(done)
        frame["loss"] += frame[name]
    if not LOSSES[task]:
        frame = frame.drop(columns="labels")
    frame["seconds"] = 12.5
    frame["images_per_second"] = 800.0
    for number, name in enumerate(FIGURES[task]):
        rising = 1 - 0.8 * np.exp(-5 * part) + 0.005 * rng.randn(done)
        frame[name] = value * rising / rising[-1] * (1 + 0.1 * number)
    frame["validation_images_per_second"] = 123.4
    return frame
