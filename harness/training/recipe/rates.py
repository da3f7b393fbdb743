"""The learning rate at every step, by timm's schedulers."""

from __future__ import annotations

from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.multistep_lr import MultiStepLRScheduler
from timm.scheduler.poly_lr import PolyLRScheduler
from timm.scheduler.scheduler import Scheduler
from torch.optim import Optimizer

from benchmarks.errors import InputError
from harness.training.recipe.protocol import Protocol, Rate

#: What rates are scaled by.
_SCALES = ("gpu", "256", "run")


def scale(protocol: Protocol, gpus: int) -> float:
    """What peak, warm-up and floor are multiplied by.

    Args:
        protocol: Its `rate.per` says by what.
        gpus: On how many a step is computed.

    Raises:
        InputError: The protocol has another word there.
    """
    per = protocol.rate.per
    if per not in _SCALES:
        raise InputError(f"{protocol.name}: rate per {per!r} is none of {', '.join(_SCALES)}")
    images = gpus * protocol.batch_per_gpu
    return {"gpu": float(gpus), "256": images / 256, "run": 1.0}[per]


class Rates:
    """Sets the learning rate of an optimiser before each step.

    Args:
        optimiser: Its rate is the protocol's peak, scaled.
        protocol: Schedule and epochs.
        steps: Of an epoch.
        gpus: On how many a step is computed.

    Raises:
        InputError: There is no such schedule.
    """

    def __init__(self, optimiser: Optimizer, protocol: Protocol, steps: int, gpus: int) -> None:
        rate, factor = protocol.rate, scale(protocol, gpus)
        self._optimiser = optimiser
        self._floor = factor * rate.floor
        self._warm = round(rate.warmup_epochs * steps)
        self._scheduler = _scheduler(optimiser, rate, protocol, steps, self._warm, factor)

    def set(self, step: int) -> float:
        """Set the rate of a step, counted from 0, and return it."""
        self._scheduler.step_update(step)
        for group in self._optimiser.param_groups:
            if step >= self._warm:  # timm's multi-step schedule has no floor of its own
                group["lr"] = max(group["lr"], self._floor)
        return float(self._optimiser.param_groups[0]["lr"])


def _scheduler(
    optimiser: Optimizer, rate: Rate, protocol: Protocol, steps: int, warm: int, factor: float
) -> Scheduler:
    total = protocol.epochs * steps
    # Warm-up takes the place of the schedule's first steps, which counts from the start on.
    begin = {
        "warmup_t": warm, "warmup_lr_init": factor * rate.warmup,
        "warmup_prefix": False, "t_in_epochs": False,
    }  # fmt: skip
    if rate.schedule == "cosine":
        return CosineLRScheduler(optimiser, t_initial=total, lr_min=factor * rate.floor, **begin)
    if rate.schedule == "linear":
        lowest = factor * rate.floor
        return PolyLRScheduler(optimiser, t_initial=total, power=1.0, lr_min=lowest, **begin)
    if rate.schedule == "multistep":
        # timm's milestone m holds from step m - 1 on.
        milestones = [round(epoch * steps) + 1 for epoch in rate.milestones]
        return MultiStepLRScheduler(optimiser, milestones, rate.decay, **begin)
    known = "cosine, linear, multistep"
    raise InputError(f"{protocol.name}: schedule {rate.schedule!r} is none of {known}")
