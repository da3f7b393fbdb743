"""Training of one network, from what a user names to a result."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.errors import InputError
from benchmarks.types import Benchmark
from harness.inspect.describe import Description, described
from harness.pipelines.progress import Meter
from harness.report import folders
from harness.report.environment import TRAINING, environment
from harness.training.recipe.protocol import Protocol, protocol

if TYPE_CHECKING:
    from harness.training.result import Training

KIND = "training"
_SHOWN, _LABEL = 100, 32
#: Packages of the extra, by what Python calls them.
_PACKAGES = {
    "timm": "timm", "torchvision": "torchvision", "torchmetrics": "torchmetrics",
    "segmentation_models_pytorch": "segmentation-models-pytorch", "pycocotools": "pycocotools",
    "tensorboard": "tensorboard",
}  # fmt: skip


@dataclass(frozen=True)
class TrainingChoice:
    """What a user asks for; see `harness.api.train`."""

    task: str
    model: str | Path
    data: Path
    space: str | None = None
    protocol: str | None = None
    epochs: int | None = None
    resolution: int | tuple[int, int] | None = None
    batch_size: int | None = None
    weights: Path | None = None
    teacher: Path | None = None
    name: str = ""
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    accumulate: int = 1
    workers: int | None = None
    every: int = 1000


def is_first() -> bool:
    """Whether this process, of those that torchrun started, writes for all."""
    return os.environ.get("RANK", "0") == "0"


def check_packages() -> None:
    """See that what training needs is installed.

    Raises:
        InputError: A package is missing.
    """
    missing = [name for module, name in _PACKAGES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise InputError(
            f"training needs {', '.join(missing)}; install the extra: "
            "pip install 'nas-proxy-harness[train]'"
        )


def chosen_protocol(choice: TrainingChoice, benchmark: Benchmark) -> Protocol:
    """The protocol that is asked for, with the user's changes.

    Raises:
        InputError: It is unknown, or of another task.
    """
    named = choice.protocol
    if named is None:
        named = benchmark.training if choice.task == "classification" else f"uninas_{choice.task}"
    found = protocol(named)
    if found.task != choice.task:
        raise InputError(f"protocol {named} is of {found.task}, not of {choice.task}")
    if choice.teacher is not None:
        found = found.with_teacher(choice.teacher)
    side = choice.resolution
    resolution = (side, side) if isinstance(side, int) else side
    return found.changed(
        epochs=choice.epochs, resolution=resolution, batch_per_gpu=choice.batch_size
    )


def train(choice: TrainingChoice, out: Path, *, force: bool, console: Console) -> Training:
    """Train, or go on; see `harness.api.train`."""
    check_packages()
    from harness.scoring.devices import resolve_device  # noqa: PLC0415 - torch takes seconds
    from harness.training import tasks  # noqa: PLC0415
    from harness.training import train as single  # noqa: PLC0415
    from harness.training.run import distributed  # noqa: PLC0415
    from harness.training.run.loop import Settings  # noqa: PLC0415

    task = tasks.task(choice.task)
    architecture = described(choice.model, choice.space)
    asked = chosen_protocol(choice, architecture.benchmark)
    job = single.Job(
        task, architecture, asked, choice.data, choice.weights, choice.name, _label(choice.model)
    )
    group, device = distributed.joined(resolve_device(choice.device))
    try:
        _claim(out, force=force)
        speaking = console if group.first else Console(quiet=True)
        lines = _lines(asked, architecture, group.size * choice.accumulate)

        def on_begin(step: int, total: int) -> None:
            for line in [*lines, *_going_on(step, total)]:
                speaking.print(line, highlight=False, markup=False, soft_wrap=True)

        with Meter(speaking, choice.task, "steps") as meter:
            settings = Settings(
                seed=choice.seed, group=group, accumulate=choice.accumulate, device=device,
                precision=single.precision_of(choice.precision, device),
                workers=_workers(choice.workers),
                every=choice.every, on_begin=on_begin, on_step=_Watch(meter),
            )  # fmt: skip
            found = single.train(job, settings, out)
    finally:
        distributed.left()
    return replace(found, facts={**found.facts, "environment": environment(TRAINING)})


def _claim(out: Path, *, force: bool) -> None:
    """See that a folder holds a training or nothing; its checkpoint says whether it is this one."""
    if (out / folders.FILE).exists() and not force:
        kind = folders.read(out)["kind"]
        if kind != KIND:
            raise InputError(f"{out} holds results of another kind ({kind}); choose another --out")
    folders.check_writable(out)


def _lines(protocol: Protocol, architecture: Description, gpus: int) -> list[str]:
    heading = f"{architecture.benchmark.name} {architecture.architecture.id}"
    shown = heading if len(heading) <= _SHOWN else f"{heading[: _SHOWN - 3]}..."
    images = f"{gpus} x {protocol.batch_per_gpu} images a step"
    return [shown, *protocol.lines(), f"here: {images}"]


def _label(model: str | Path) -> str:
    """A short text that names an architecture, or its file's name."""
    text = Path(model).stem if Path(str(model)).suffix in (".json", ".txt") else str(model)
    return text if len(text) <= _LABEL else ""


def _going_on(step: int, total: int) -> list[str]:
    if step == total:
        return [f"all {total:,} steps were done before; nothing is trained again"]
    return [f"goes on from step {step:,} of {total:,}"] if step else []


def _workers(asked: int | None) -> int:
    """Processes that load images for one process: its share of this machine's cores, without
    itself."""
    from harness.scoring.workers import available_cores  # noqa: PLC0415

    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(0, available_cores() // here - 1) if asked is None else asked


class _Watch:
    """Shows steps on a meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter, self._started = meter, False

    def __call__(self, done: int, total: int, note: str) -> None:
        if not self._started:
            self._meter.start(total, done - 1)
            self._started = True
        self._meter.reach(done, note)
