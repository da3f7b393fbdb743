"""One training of an architecture on labelled images: what ground truth of one's own is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.inspect.describe import Description
from harness.scoring.workers import available_cores
from harness.training.folders.images import LabelledImages
from harness.training.recipe.protocol import Protocol
from harness.training.run.loop import Settings, Trainer
from harness.training.run.seeding import seeded
from harness.training.tasks.classification import TASK, data_of

#: What the table calls the images that are not trained on.
SPLIT = "val"


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
    """Train a network, or go on with it, and judge it on the images that it has not seen.

    Args:
        described: The architecture and the dataset of the images.
        protocol: How.
        images: To train and to validate on.
        seed: Of weights, order and augmentation.
        device: "cpu" or "cuda:N".
        checkpoint: Where the training is kept while it runs.
        on_epoch: Called with the epochs done, and of all.

    Raises:
        InputError: The images do not fit the protocol, or the checkpoint is damaged.
        DivergedError: The loss is no finite number.
    """
    data = data_of(images, protocol)
    with seeded("weights", seed):
        network = TASK.network(described, protocol, len(data.classes))
    identity = {
        "space": described.benchmark.name, "architecture": described.architecture.id,
        "dataset": described.dataset, "protocol": protocol.plain(),
        "data": dict(data.fingerprint), "seed": seed,
    }  # fmt: skip

    def on_step(done: int, total: int, note: str) -> None:
        steps = total // protocol.epochs
        if done % steps == 0:
            on_epoch(done // steps, protocol.epochs)

    settings = Settings(
        seed=seed, device=device, workers=_loaders(device), checkpoint=checkpoint,
        every=_EVERY, on_step=on_step, validating=protocol.epochs,
    )  # fmt: skip
    history = Trainer(network, data, protocol, settings, identity).run()
    top1 = float(history[TASK.metric].iloc[-1])
    seconds = float(history["seconds"].sum())
    return Trained({SPLIT: top1}, seconds if math.isfinite(seconds) else 0.0, len(history))


def _loaders(device: str) -> int:
    """Processes that load images for a training: a GPU must not wait for one core; on a CPU each
    core has a training of its own."""
    if device == "cpu":
        return 0
    return max(1, min(_MOST_LOADERS, available_cores() // torch.cuda.device_count() - 1))


_MOST_LOADERS = 8
#: Steps between checkpoints within an epoch: some minutes of a small network.
_EVERY = 500
