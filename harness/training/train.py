"""One training from end to end: data, network, loop, figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.errors import InputError
from harness.inspect.describe import Description
from harness.training.recipe.backbones import has_se, notes
from harness.training.recipe.protocol import Protocol
from harness.training.result import Training
from harness.training.run import checkpoints
from harness.training.run.loop import Settings, Trainer
from harness.training.run.seeding import seeded
from harness.training.types import Task

CHECKPOINT, WEIGHTS = "checkpoint.pt", "weights.pt"


@dataclass(frozen=True)
class Job:
    """What is to be trained.

    Attributes:
        task: See there.
        described: The architecture.
        protocol: How.
        data: Folder of images.
        weights: File of weights to begin with; None: they are drawn.
        model: What the user calls the network; "": nothing.
        label: What it is called where the user does not.
    """

    task: Task
    described: Description
    protocol: Protocol
    data: Path
    weights: Path | None = None
    model: str = ""
    label: str = ""


def train(job: Job, settings: Settings, out: Path) -> Training:
    """Train a network, or go on where it was stopped.

    Args:
        job: What.
        settings: Where and how; `checkpoint` and `logs` are set here.
        out: Folder of checkpoint, weights and logs.

    Raises:
        InputError: Data, architecture, weights or checkpoint do not fit; nothing is overwritten.
        DivergedError: The loss is no finite number.
    """
    data = job.task.data(job.data, job.protocol)
    told = {} if job.weights is None else checkpoints.about(job.weights)
    described = job.task.built_for(
        job.described, job.protocol, len(data.classes), told.get("dataset")
    )
    # What was trained with squeeze-and-excitation goes on with it.
    described = replace(described, se=described.se or bool(told.get("se")))
    with seeded("weights", settings.seed):
        network = job.task.network(described, job.protocol, len(data.classes))
    space, architecture = described.benchmark.name, described.architecture.id
    if job.weights is not None:
        backbone = network.get_submodule("backbone")
        checkpoints.load_weights(job.weights, backbone, space, architecture)
    about = {
        "space": space, "architecture": architecture, "task": job.task.name,
        "dataset": described.dataset, "se": has_se(described, job.protocol),
    }  # fmt: skip
    identity = about | {
        "protocol": job.protocol.plain(),
        "data": dict(data.fingerprint),
        "seed": settings.seed,
        "gpus": settings.group.size * settings.accumulate,
        "precision": settings.precision,
        "weights": "drawn" if job.weights is None else checkpoints.digest(job.weights),
    }
    lacking = notes(described, job.protocol)
    lines = [*job.protocol.lines(), *(f"note: {n}" for n in lacking)]
    costs = job.task.costs(network, job.protocol)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error}; choose another --out") from error
    settings = replace(settings, checkpoint=out / CHECKPOINT, logs=out)
    trainer = Trainer(network, data, job.protocol, settings, identity)
    history = trainer.run()
    if settings.group.first:
        backbone = trainer.judged.get_submodule("backbone")
        checkpoints.save_weights(out / WEIGHTS, backbone, about)
    last = {str(name): float(value) for name, value in history.iloc[-1].items()}
    facts = {
        "identity": identity, "classes": len(data.classes),
        "images": len(data.train), "validation": len(data.validation), "lacking": lacking,
        "metric": job.task.metric,
        "epochs": [len(history), job.protocol.epochs],
        "model": job.model, "device": device_words(settings.device),
    }  # fmt: skip
    title = f"{job.model or job.label or space} on {job.data.name}: {job.task.name}"
    return Training(title, facts, lines, history, _figures(last, costs))


def _figures(last: Mapping[str, float], costs: Mapping[str, float]) -> dict[str, float]:
    """The task's figures, size and speed, of the last row of the history."""
    names = list(last)
    start = names.index("images_per_second") + 1
    figures = {name: last[name] for name in names[start:] if name != "validation_images_per_second"}
    speed = {
        "images_per_second": last.get("validation_images_per_second", math.nan),
        "train_images_per_second": last["images_per_second"],
    }
    return figures | dict(costs) | speed


def precision_of(asked: str, device: str) -> str:
    """ "auto" is float32 on a CPU; on a GPU bfloat16, or float16 where it has none.

    Raises:
        InputError: There is no such precision.
    """
    known = ("float32", "bfloat16", "float16")
    if asked == "auto":
        if device == "cpu":
            return "float32"
        with torch.cuda.device(device):
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bfloat16" if fast else "float16"
    if asked not in known:
        raise InputError(f"unknown precision {asked!r}; use auto, {', '.join(known)}")
    return asked


def device_words(device: str) -> str:
    """What a figure of speed was measured on."""
    if device == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    return str(torch.cuda.get_device_name(device))
