"""Batches: which images a step takes, and who loads them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from benchmarks.errors import InputError
from benchmarks.types import derive_seed
from harness.training.run.distributed import Group
from harness.training.run.seeding import seeded
from harness.training.types import Data, Samples


@dataclass(frozen=True)
class Plan:
    """Which images the steps of a training take.

    A step has `lanes` batches, each of which one GPU would compute: a process computes
    `accumulate` of them, one after the other. Every epoch has an order of its own, of which the
    images that fill no whole step are left out.

    Attributes:
        images: How many there are.
        batch: Images of a lane.
        group: The processes.
        accumulate: Lanes of a process.
        seed: Of the orders.
    """

    images: int
    batch: int
    group: Group
    accumulate: int
    seed: int

    @property
    def lanes(self) -> int:
        """Batches of a step."""
        return self.group.size * self.accumulate

    @property
    def steps(self) -> int:
        """Steps of an epoch.

        Raises:
            InputError: The images do not fill one.
        """
        steps = self.images // (self.lanes * self.batch)
        if not steps:
            raise InputError(
                f"{self.images} training images do not fill a step of {self.lanes} x {self.batch}; "
                "use a smaller --batch-size"
            )
        return steps

    def lane(self, step: int, lane: int) -> list[tuple[int, int]]:
        """(epoch, image) of a lane of a step, counted over the whole training."""
        epoch, place = divmod(step, self.steps)
        order = _order(self.seed, epoch, self.images)
        first = (place * self.lanes + lane) * self.batch
        return [(epoch, image) for image in order[first : first + self.batch].tolist()]


@functools.lru_cache(maxsize=1)
def _order(seed: int, epoch: int, images: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed("order", seed, epoch))
    return torch.randperm(images, generator=generator)


class _Lanes(Sampler[list[tuple[int, int]]]):
    """The batches of this process from a step on, in order."""

    def __init__(self, plan: Plan, first: int, end: int) -> None:
        self.plan, self.first, self.end = plan, first, end

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        plan = self.plan
        for step in range(self.first, self.end):
            for number in range(plan.accumulate):
                yield plan.lane(step, plan.group.rank * plan.accumulate + number)


class _Seeded(Dataset[Any]):
    """Samples by (epoch, index), each with draws of its own."""

    def __init__(self, samples: Samples, seed: int) -> None:
        self.samples, self.seed = samples, seed

    def __getitem__(self, key: tuple[int, int]) -> Any:
        with seeded("image", self.seed, *key):
            return _item(self.samples, key[1])


class _Plain(Dataset[Any]):
    """Samples by index."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        return _item(self.samples, index)


def _item(samples: Samples, index: int) -> Any:
    """An item, or the error that stands for it: a worker's own would come with its traceback."""
    try:
        return samples[index]
    except InputError as error:
        return error


class _Collate:
    """Makes a batch of items, or gives the first error among them."""

    def __init__(self, collate: Callable[[list[Any]], Any] | None) -> None:
        self._collate = default_collate if collate is None else collate

    def __call__(self, items: list[Any]) -> Any:
        faults = [item for item in items if isinstance(item, InputError)]
        return faults[0] if faults else self._collate(items)


def _sound(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches; raises the error that stands for one."""
    for batch in batches:
        if isinstance(batch, InputError):
            raise batch
        yield batch


def training_batches(
    data: Data, plan: Plan, first: int, end: int, *, workers: int, pinned: bool
) -> Iterator[Any]:
    """The batches of this process for the steps `first` to `end`, `accumulate` a step.

    Args:
        data: Its training images.
        plan: Which each step takes.
        first: Step to begin with.
        end: Step to end before.
        workers: Processes that load; 0: this one.
        pinned: In memory from which a GPU copies faster.

    Raises:
        InputError: An image cannot be read.
    """
    return _sound(
        DataLoader(
            _Seeded(data.train, plan.seed),
            batch_sampler=_Lanes(plan, first, end),
            num_workers=workers,
            collate_fn=_Collate(data.collate),
            pin_memory=pinned,
        )
    )


def validation_batches(
    data: Data, group: Group, batch: int, *, workers: int, pinned: bool
) -> Iterator[Any]:
    """The batches of this process of the validation images, in order, each image once.

    Raises:
        InputError: An image cannot be read.
    """
    mine = range(group.rank, len(data.validation), group.size)
    return _sound(
        DataLoader(
            _Plain(data.validation),
            batch_size=batch,
            sampler=mine,
            num_workers=workers,
            collate_fn=_Collate(data.collate),
            pin_memory=pinned,
        )
    )


def moved(value: Any, device: str) -> Any:
    """Tensors in tuples, lists and dicts on a device; what is no tensor stays."""
    to_gpu = device != "cpu"  # the way back must be at its end before the values are read

    def move(tensor: Tensor) -> Tensor:
        images = tensor.ndim == 4 and tensor.is_floating_point()
        layout = torch.channels_last if images else torch.preserve_format
        return tensor.to(device, non_blocking=to_gpu, memory_format=layout)

    return _mapped(value, move)


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(each, change) for each in value)
    return value
