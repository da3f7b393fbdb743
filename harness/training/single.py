"""One training of an architecture on labelled images: the interface of `harness.training.truth`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.inspect.describe import Description
from harness.training.folders.images import LabelledImages
from harness.training.protocol import Protocol


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        accuracies: In percent, by split.
        seconds: Wall time, of all its parts where it was stopped.
        epochs: Done.
    """

    accuracies: Mapping[str, float]
    seconds: float
    epochs: int


def accuracy(
    described: Description,
    protocol: Protocol,
    images: LabelledImages,
    *,
    seed: int,
    device: str,
    checkpoint: Path,
    on_epoch: Callable[[int, int], None],
) -> Trained:
    """Train a network."""
    raise NotImplementedError(f"{described}")
