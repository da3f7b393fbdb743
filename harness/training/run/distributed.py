"""One training in several processes, as `torchrun` starts them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Group:
    """The processes of a training.

    Attributes:
        rank: Number of this one.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0


def joined(device: str) -> tuple[Group, str]:
    """Join the processes that torchrun started; without it there is this one alone.

    Args:
        device: "cpu", or "cuda", of which every process on a machine gets its own.

    Returns:
        The processes, and this one's device.
    """
    if "LOCAL_RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return Group(), device
    if device.startswith("cuda"):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return Group(distributed.get_rank(), distributed.get_world_size()), device


def left() -> None:
    """Leave the processes again."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def gathered(value: Any) -> list[Any]:
    """What every process has, in the order of their numbers; plain data or CPU tensors."""
    if not distributed.is_initialized():
        return [value]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, value)
    return found


class LaneStatistics:
    """Running statistics of lanes that a process computes one after the other.

    Each lane begins with those before the step, and the step ends with their mean: what so many
    processes have that compute one lane each.

    Args:
        network: Whose batch norms; where there is one lane, nothing is done.
        lanes: How many.
    """

    def __init__(self, network: nn.Module, lanes: int) -> None:
        self._lanes = lanes
        self._buffers = [b for b in network.buffers() if b.is_floating_point()] * (lanes > 1)
        self._before: list[Tensor] = []
        self._sums: list[Tensor] = []

    def begin(self) -> None:
        """Before the lanes of a step."""
        self._before = [buffer.clone() for buffer in self._buffers]
        self._sums = [torch.zeros_like(buffer) for buffer in self._buffers]

    def end_lane(self) -> None:
        """After each lane."""
        for buffer, before, summed in zip(self._buffers, self._before, self._sums, strict=True):
            summed.add_(buffer)
            buffer.copy_(before)

    def end(self) -> None:
        """After the last lane."""
        for buffer, summed in zip(self._buffers, self._sums, strict=True):
            buffer.copy_(summed / self._lanes)


def merge_statistics(network: nn.Module, group: Group) -> None:
    """Give batch norms of all processes the mean of their running statistics.

    Each process has seen its own images; what is validated and kept must be the same everywhere.
    """
    if group.size == 1:
        return
    for buffer in network.buffers():
        if buffer.is_floating_point():
            distributed.all_reduce(buffer)
            buffer.div_(group.size)
