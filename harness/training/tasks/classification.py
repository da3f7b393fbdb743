"""Image classification: an architecture's own network, trained on folders of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from harness.inspect.describe import Description
from harness.training.folders import images
from harness.training.folders.images import LabelledImages
from harness.training.measures import costs
from harness.training.recipe import augmenting
from harness.training.recipe.distilling import Distilled
from harness.training.recipe.labels import LabelLoss, classification_loss
from harness.training.recipe.modifying import classifier, sized
from harness.training.recipe.protocol import Protocol
from harness.training.run.distributed import gathered
from harness.training.types import Data


class Classifier(nn.Module):
    """A network with its loss.

    Args:
        backbone: Gives logits (B, classes) of images (B, 3, H, W).
        loss: Of logits and labels; it mixes the batch before.
    """

    def __init__(self, backbone: nn.Module, loss: LabelLoss) -> None:
        super().__init__()
        self.backbone, self.loss = backbone, loss

    def forward(self, inputs: Tensor, targets: Tensor | None = None) -> Any:
        """Losses by name, or without targets the logits."""
        if targets is None:
            return self.backbone(inputs)
        inputs, targets = self.loss.mixed(inputs, targets)
        return {"labels": self.loss(self.backbone(inputs), targets)}


class Shares:
    """Shares of images whose class is the likeliest, or among the five likeliest, in percent."""

    def __init__(self) -> None:
        self._right = {1: 0, 5: 0}
        self._all = 0

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """See `harness.training.types.Evaluator`."""
        if predictions.shape[1] <= max(self._right):
            self._right.pop(5, None)  # one in five of five classes is always right
        most = max(self._right)
        hits = predictions.topk(most, dim=1).indices == targets[:, None]
        for k in self._right:
            self._right[k] += int(hits[:, :k].sum())
        self._all += len(targets)

    def compute(self) -> dict[str, float]:
        """`top1` and `top5`."""
        parts = gathered((self._right, self._all))
        images = sum(part[1] for part in parts)
        return {f"top{k}": 100 * sum(part[0][k] for part in parts) / images for k in self._right}


class Classification:
    """See `harness.training.types.Task`."""

    name = "classification"
    summary = "classes of images; train/CLASS/..., val/CLASS/... (ImageFolder)"
    metric = "top1"

    def data(self, folder: Path, protocol: Protocol) -> Data:
        """Images of a folder, an .npz file or a named set: `images.read`."""
        return data_of(images.read(folder), protocol)

    def built_for(
        self,
        described: Description,
        protocol: Protocol,
        classes: int,
        trained: str | None = None,
    ) -> Description:
        """At the protocol's resolution."""
        return sized(described, protocol, classes)

    def network(self, described: Description, protocol: Protocol, classes: int) -> nn.Module:
        """The architecture's network for so many classes; with a teacher, where there is one."""
        backbone = classifier(described, protocol, classes)
        loss = classification_loss(protocol, classes)
        if protocol.distillation is not None:
            return Distilled(backbone, loss, protocol)
        return Classifier(backbone, loss)

    def costs(self, network: nn.Module, protocol: Protocol) -> dict[str, float]:
        """The network is its own backbone: figures with and without head are the same."""
        images = torch.empty(1, 3, *protocol.resolution, device="meta")
        found = costs.counted(network.get_submodule("backbone"), (images,))
        return costs.figures(found, found)


def data_of(found: LabelledImages, protocol: Protocol) -> Data:
    """Labelled images as a protocol shows them to a network.

    Raises:
        InputError: They are arrays of another resolution and the protocol does not scale them.
    """
    side = protocol.resolution
    if found.resolution not in (None, *side) and protocol.augmentation.crop == "padded":
        raise InputError(
            f"the images have {found.resolution} pixels a side, the protocol {side[0]}; "
            f"use --resolution {found.resolution}"
        )
    train = augmenting.training(protocol.augmentation, side, found.mean, found.deviation)
    validation = augmenting.validation(protocol.evaluating, side, found.mean, found.deviation)
    return Data(
        augmenting.Transformed(found.train, train),
        augmenting.Transformed(found.validation, validation),
        found.classes,
        found.fingerprint,
        Shares,
    )


TASK = Classification()
