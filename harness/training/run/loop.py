"""The training loop: steps, validation, checkpoints, logs; the same for every task."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from benchmarks.errors import InputError
from harness.scoring.devices import synchronise
from harness.training.recipe.optimising import optimiser
from harness.training.recipe.protocol import Protocol
from harness.training.recipe.rates import Rates
from harness.training.run import checkpoints, loading
from harness.training.run.distributed import Group, LaneStatistics, gathered, merge_statistics
from harness.training.run.loading import Plan
from harness.training.run.logs import Logs
from harness.training.run.seeding import seed_all
from harness.training.types import Data, DivergedError

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Settings:
    """How a training is run; none of it but `accumulate`, `precision` and `seed` moves a figure.

    Attributes:
        seed: Of weights, order, augmentation and all else that is random.
        group: The processes, each of which has `accumulate` GPUs' part of a step.
        accumulate: See `group`.
        device: Of this process.
        precision: "float32", "bfloat16", "float16".
        workers: Processes that load images; 0: this one.
        checkpoint: File to go on from; None: none is kept.
        every: Steps between checkpoints; one is written after each epoch too.
        validating: Epochs between validations; one follows the last epoch in any case.
        logs: Folder of history, steps and TensorBoard; None: none are written.
        on_begin: Called in the first process with the step that it begins at, and of all.
        on_step: Called in the first process with steps done, of all, and a note.
    """

    seed: int = 0
    group: Group = field(default_factory=Group)
    accumulate: int = 1
    device: str = "cpu"
    precision: str = "float32"
    workers: int = 0
    checkpoint: Path | None = None
    every: int = 1000
    validating: int = 1
    logs: Path | None = None
    on_begin: Callable[[int, int], None] = lambda step, total: None
    on_step: Callable[[int, int, str], None] = lambda done, total, note: None


class Trainer:
    """Trains one network.

    Args:
        network: As `harness.training.types.Task.network` gives it.
        data: Images.
        protocol: How.
        settings: See there.
        identity: What identifies the training, plain data; a checkpoint of another is refused.

    Raises:
        InputError: The checkpoint is damaged or of another training, or the protocol impossible.
    """

    def __init__(
        self,
        network: nn.Module,
        data: Data,
        protocol: Protocol,
        settings: Settings,
        identity: Mapping[str, Any],
    ) -> None:
        if settings.device.startswith("cuda"):
            torch.cuda.set_device(settings.device)  # else pinned memory takes some of the first GPU
        self.data, self.protocol, self.settings = data, protocol, settings
        self.identity = dict(identity)
        self.plan = Plan(
            len(data.train), protocol.batch_per_gpu, settings.group, settings.accumulate,
            settings.seed,
        )  # fmt: skip
        # Channels last: convolutions take half the time on a CPU, and less on a GPU too.
        self.network = network.to(settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimiser = optimiser(self.network, protocol, self.plan.lanes)
        self._rates = Rates(self._optimiser, protocol, self.plan.steps, self.plan.lanes)
        self._scaler = torch.amp.GradScaler(enabled=settings.precision == "float16")
        self._ema = ModelEmaV3(self.network, decay=protocol.ema) if protocol.ema else None
        self.total = protocol.epochs * self.plan.steps
        self.step = 0
        self.history: list[dict[str, float]] = []
        self._logs = Logs(settings.logs if settings.group.first else None)
        self._sums = _Sums()
        self._statistics = LaneStatistics(self.network, settings.accumulate)
        self._speed = _Speed(self.plan.lanes * self.plan.batch)
        self._resume()
        self._agree()

    @property
    def judged(self) -> nn.Module:
        """The network that is validated: the averaged one, where the protocol has it."""
        averaged: nn.Module | None = None if self._ema is None else self._ema.module
        return self.network if averaged is None else averaged

    def run(self) -> pd.DataFrame:
        """Train to the end, from where the checkpoint stands.

        Returns:
            `harness.training.result.Training.history`.

        Raises:
            DivergedError: A loss is no finite number; the checkpoint before it is kept.
        """
        if self.settings.group.first:
            self.settings.on_begin(self.step, self.total)
        if self.step and len(self.history) < self.step // self.plan.steps:
            self._validate_epoch()  # killed between an epoch's checkpoint and its validation
        if self.step < self.total:
            self._train()
        return pd.DataFrame(self.history)

    # ---------------------------------------------------------------- steps

    def _train(self) -> None:
        settings, steps = self.settings, self.plan.steps
        batches = loading.training_batches(
            self.data, self.plan, self.step, self.total,
            workers=settings.workers, pinned=settings.device != "cpu",
        )  # fmt: skip
        model = self._parallel()
        self._logs.begin(self.step)
        while self.step < self.total:
            self._step(model, batches)
            self.step += 1
            if self.step % steps == 0:
                self._end_epoch()
            elif self.step % settings.every == 0:
                self._save()
            if settings.group.first:
                settings.on_step(self.step, self.total, self._note())
        self._logs.end()

    def _parallel(self) -> nn.Module:
        """The network as its processes share it."""
        if self.settings.group.size == 1:
            alone: nn.Module = self.network
            return alone
        on_gpu = self.settings.device != "cpu"
        # It is called by another name in later versions; and of some networks every part is used.
        warnings.filterwarnings("ignore", message="broadcast_buffers", category=FutureWarning)
        warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
        shared: nn.Module = DistributedDataParallel(
            self.network,
            device_ids=[self.settings.device] if on_gpu else None,
            broadcast_buffers=False,
            find_unused_parameters=True,  # cells have edges that lead nowhere
        )
        return shared

    def _step(self, model: nn.Module, batches: Iterator[Any]) -> None:
        rate, started = self._rates.set(self.step), time.perf_counter()
        settings = self.settings
        self.network.train()
        self._statistics.begin()
        for number in range(settings.accumulate):
            images, targets = loading.moved(next(batches), settings.device)
            lane = settings.group.rank * settings.accumulate + number
            seed_all("step", settings.seed, self.step, lane)
            last = number == settings.accumulate - 1
            with self._shared(model, last), self._precision():
                losses: dict[str, Tensor] = model(images, targets)
                loss = torch.stack([each.float() for each in losses.values()]).sum()
                self._scaler.scale(loss / settings.accumulate).backward()
            self._sums.add(losses, settings.accumulate)
            self._statistics.end_lane()
        self._statistics.end()
        if self.protocol.optimiser.clip is not None:
            self._scaler.unscale_(self._optimiser)
            clip_grad_norm_(self.network.parameters(), self.protocol.optimiser.clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._optimiser.zero_grad(set_to_none=True)
        if self._ema is not None:
            self._ema.update(self.network, step=self.step)
        self._sums.seconds += time.perf_counter() - started
        self._logs.step(self.step, rate, losses)
        self._speed.step()

    def _shared(self, model: nn.Module, last: bool) -> contextlib.AbstractContextManager[None]:
        """Gradients are summed over the processes once a step, with its last lane."""
        if isinstance(model, DistributedDataParallel) and not last:
            return model.no_sync()
        return contextlib.nullcontext()

    def _precision(self) -> torch.autocast:
        kind = self.settings.device.partition(":")[0]
        low = _TYPES[self.settings.precision]
        return torch.autocast(kind, low, enabled=low != torch.float32)

    # ---------------------------------------------------------------- epochs

    def _end_epoch(self) -> None:
        started = time.perf_counter()
        synchronise(self.settings.device)
        self._sums.seconds += time.perf_counter() - started
        self._save()  # before the validation, which may fail
        self._validate_epoch()

    def _validate_epoch(self) -> None:
        """Close the epoch that ended with the last step: its row of the history, a checkpoint."""
        losses, seconds = self._sums.means()
        images = self.plan.steps * self.plan.lanes * self.plan.batch
        epoch, rate = self.step // self.plan.steps, self._rates.set(self.step - 1)
        row: dict[str, float] = {"epoch": epoch, "step": self.step, "rate": rate}
        row |= {"loss": sum(losses.values())} | losses
        row |= {"seconds": seconds, "images_per_second": images / seconds}
        if epoch % self.settings.validating == 0 or self.step == self.total:
            row |= self.validate()
        self.history.append(row)
        self._sums = _Sums()
        self._logs.epoch(self.history)
        self._save()

    def _check(self) -> None:
        """See that the losses since the epoch's begin are numbers, before they are kept."""
        losses, _ = self._sums.means()
        loss = sum(losses.values())
        if not math.isfinite(loss):
            epoch, rate = (self.step - 1) // self.plan.steps + 1, self._rates.set(self.step - 1)
            raise DivergedError(
                f"the loss is {loss} in epoch {epoch} (learning rate {rate:.3g}); the checkpoint "
                "before it is kept: begin again with a lower rate (a smaller --batch-size where "
                "it is scaled by that), or with --precision float32"
            )

    def validate(self) -> dict[str, float]:
        """The task's figures on the validation images, and `validation_images_per_second`."""
        evaluator, settings = self.data.evaluator(), self.settings
        network = self.judged.eval()
        batches = loading.validation_batches(
            self.data, settings.group, self.protocol.batch_per_gpu,
            workers=settings.workers, pinned=settings.device != "cpu",
        )  # fmt: skip
        images = seconds = 0.0
        alone = len(self.data.validation) <= self.protocol.batch_per_gpu * settings.group.size
        for number, (inputs, targets) in enumerate(batches):
            moved = loading.moved(inputs, settings.device)
            synchronise(settings.device)
            started = time.perf_counter()
            with torch.no_grad(), self._precision():
                predictions = network(moved)
            synchronise(settings.device)
            if number or alone:  # the first one warms up
                seconds += time.perf_counter() - started
                images += len(inputs)
            evaluator.update(loading.moved(predictions, "cpu"), targets)
        speed = {"validation_images_per_second": images / seconds if seconds else math.nan}
        return evaluator.compute() | speed

    def _note(self) -> str:
        """Images a second and loss lately, and the figures of the last validation."""
        last = self.history[-1] if self.history else {}
        shown = {"loss": self._logs.loss} | {n: last[n] for n in self._figures(last)}
        speed = self._speed.per_second
        said = [] if speed is None else [f"{speed:.4g} images/s"]
        return ", ".join(said + [f"{n} {v:.4g}" for n, v in shown.items() if not math.isnan(v)])

    @staticmethod
    def _figures(row: Mapping[str, float]) -> list[str]:
        """Name of the task's first figure in a row of the history: what follows the speed."""
        names = list(row)
        start = names.index("images_per_second") + 1 if "images_per_second" in names else 0
        return [n for n in names[start:] if n != "validation_images_per_second"][:1]

    # ---------------------------------------------------------------- checkpoints

    def _save(self) -> None:
        if self._sums.count:
            self._check()
        for network in {self.network, self.judged}:
            merge_statistics(network, self.settings.group)
        path = self.settings.checkpoint
        if path is None:
            return
        sums = gathered(self._sums.plain())
        if not self.settings.group.first:
            return
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "averaged": None if self._ema is None else self._ema.module.state_dict(),
            "history": self.history,
            "sums": _merged(sums),
            "logs": self._logs.rows,
        }
        checkpoints.save(path, {"identity": self.identity, "state": state})

    def _resume(self) -> None:
        path = self.settings.checkpoint
        found = None if path is None else checkpoints.resumed(path, self.identity)
        if found is None:
            return
        state = found["state"]
        self.step, self.history = state["step"], state["history"]
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        if self._ema is not None:
            self._ema.module.load_state_dict(state["averaged"])
        share = 1 / self.settings.group.size
        self._sums = _Sums({n: v * share for n, v in state["sums"]["losses"].items()},
                           state["sums"]["count"] * share, state["sums"]["seconds"])  # fmt: skip
        self._logs.rows = state["logs"]

    def _agree(self) -> None:
        """See that all processes stand at the same step.

        Raises:
            InputError: They have read different checkpoints.
        """
        steps = gathered(self.step)
        if len(set(steps)) > 1:
            raise InputError(
                f"the processes would go on from steps {', '.join(map(str, steps))}: the folder of "
                f"{self.settings.checkpoint} must be one that all of them see"
            )


class _Speed:
    """Images a second over the last minute or so.

    Args:
        images: Of a step.
        clock: Tells seconds.
    """

    _SECONDS = 60.0

    def __init__(self, images: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._images, self._clock = images, clock
        self._ends: deque[float] = deque()

    def step(self) -> None:
        """Say that a step is done."""
        self._ends.append(self._clock())
        while len(self._ends) > 2 and self._ends[-1] - self._ends[0] > self._SECONDS:
            self._ends.popleft()

    @property
    def per_second(self) -> float | None:
        """None before the second step."""
        passed = self._ends[-1] - self._ends[0] if self._ends else 0.0
        return self._images * (len(self._ends) - 1) / passed if passed else None


class _Sums:
    """Sums over the steps of an epoch in this process; on the device until they are asked for."""

    def __init__(
        self, losses: Mapping[str, float] | None = None, count: float = 0.0, seconds: float = 0.0
    ) -> None:
        self.losses: dict[str, Any] = dict(losses or {})
        self.count, self.seconds = count, seconds

    def add(self, losses: Mapping[str, Tensor], of: int) -> None:
        for name, value in losses.items():
            self.losses[name] = self.losses.get(name, 0.0) + value.detach().double() / of
        self.count += 1 / of

    def plain(self) -> dict[str, Any]:
        """As numbers."""
        losses = {name: float(value) for name, value in self.losses.items()}
        return {"losses": losses, "count": self.count, "seconds": self.seconds}

    def means(self) -> tuple[dict[str, float], float]:
        """Mean losses a step over all processes, and the seconds of the slowest."""
        merged = _merged(gathered(self.plain()))
        return {n: v / merged["count"] for n, v in merged["losses"].items()}, merged["seconds"]


def _merged(sums: list[dict[str, Any]]) -> dict[str, Any]:
    losses = {n: sum(each["losses"][n] for each in sums) for n in sums[0]["losses"]}
    return {
        "losses": losses,
        "count": sum(each["count"] for each in sums),
        "seconds": max(each["seconds"] for each in sums),
    }
