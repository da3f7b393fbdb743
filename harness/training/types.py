"""What the trainer asks of a task, and what passes between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from benchmarks.errors import InputError
from harness.inspect.describe import Description
from harness.training.recipe.protocol import Protocol as TrainingProtocol


class DivergedError(InputError):
    """The loss is no finite number any more."""


class Samples(Sized, Protocol):
    """Images with their targets, a map-style dataset.

    What is random in an item is drawn from the global generators of `random`, NumPy and PyTorch:
    the trainer seeds them before, by the run's seed, the epoch and the index, so that an item does
    not depend on who loads it.
    """

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Image and target of one index, in 0 .. len - 1."""
        ...


@dataclass(frozen=True)
class Data:
    """The images of a task.

    Attributes:
        train: With the protocol's augmentation.
        validation: Without.
        classes: Names of the classes, in the order of their numbers.
        fingerprint: Identifies the data: counts and classes, plain data.
        evaluator: Makes what judges predictions on `validation`.
        collate: Makes a batch of items; None: PyTorch's own, which stacks.
    """

    train: Samples
    validation: Samples
    classes: Sequence[str]
    fingerprint: Mapping[str, Any]
    evaluator: Callable[[], Evaluator]
    collate: Callable[[list[Any]], Any] | None = None


class Evaluator(Protocol):
    """Judges predictions on validation images; in several processes, each has a part of them."""

    def update(self, predictions: Any, targets: Any) -> None:
        """Take in one batch: what the network gave in eval mode, and the batch's targets."""
        ...

    def compute(self) -> dict[str, float]:
        """Figures over all batches of all processes, by name, in percent.

        Every process calls it, once; `harness.training.run.distributed.gathered` joins the parts.
        """
        ...


@runtime_checkable
class Staged(Protocol):
    """A network with four stages, on whose maps heads of detection and segmentation stand.

    It may have an attribute `beyond_stages`, names of submodules that `stages` does without:
    heads of other tasks, which are taken out (`harness.training.recipe.backbones.backbone`).
    """

    #: Channels of the four maps.
    stage_channels: Sequence[int]

    def stages(self, x: Tensor) -> list[Tensor]:
        """The last maps at strides 4, 8, 16 and 32 of images (B, 3, H, W), H and W multiples of
        32: each (B, C, H / stride, W / stride)."""
        ...


class Task(Protocol):
    """One kind of training. An instance in a module of `harness.training.tasks` called `TASK`.

    Attributes:
        name: What `--task` calls it.
        summary: In a line: what is learned, and the layout of its data.
        metric: The figure of `Evaluator.compute` that says how good a network is.
    """

    name: str
    summary: str
    metric: str

    def data(self, folder: Path, protocol: TrainingProtocol) -> Data:
        """The images in a folder.

        Raises:
            InputError: The folder is empty, damaged or incomplete; the message names the file.
        """
        ...

    def built_for(
        self,
        described: Description,
        protocol: TrainingProtocol,
        classes: int,
        trained: str | None = None,
    ) -> Description:
        """The architecture at the dataset that its own network is built for.

        Args:
            described: The architecture.
            protocol: How it is going to be trained.
            classes: Of the images.
            trained: That of the weights which it begins with, where there are any.

        Raises:
            InputError: The space has no such dataset.
        """
        ...

    def network(
        self, described: Description, protocol: TrainingProtocol, classes: int
    ) -> nn.Module:
        """The network with its head, untrained, weights drawn from the global generator.

        In train mode it takes (images, targets) of a batch and gives its losses by name, each a
        scalar, whose sum is minimised. In eval mode it takes (images,) and gives what the task's
        `Evaluator` takes. Its architecture's own network is its attribute `backbone`.

        Raises:
            InputError: The architecture does not fit the task.
        """
        ...

    def costs(self, network: nn.Module, protocol: TrainingProtocol) -> dict[str, float]:
        """Size: `params` and `flops` (2 for a multiply-accumulate) of the backbone as the paper
        counts them, `params_with_head` and `flops_with_head`; at the protocol's resolution."""
        ...
