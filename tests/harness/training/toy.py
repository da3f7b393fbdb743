"""A small training whose every step is cheap: what the loop is tested on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.training.recipe.protocol import Optimiser, Protocol, Rate
from harness.training.run.distributed import gathered
from harness.training.run.loop import Settings, Trainer
from harness.training.types import Data

CLASSES = 3
PROTOCOL = Protocol(
    name="toy", title="Toy", source="the tests", task="classification", data="stripes", head="FC",
    epochs=3, batch_per_gpu=4, resolution=(8, 8),
    rate=Rate("cosine", peak=0.05, warmup=1e-4, floor=1e-3, warmup_epochs=1, per="run"),
    optimiser=Optimiser("sgd", weight_decay=1e-3, clip=1.0),
)  # fmt: skip


class Stripes:
    """Images whose class is the direction of their stripes, with noise drawn for each item."""

    def __init__(self, count: int, noise: float) -> None:
        self.count, self.noise = count, noise

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        label = index % CLASSES
        wave = torch.sin(torch.arange(8.0) * 2 + index)
        image = (wave[:, None] * torch.ones(8), wave * torch.ones(8, 1), wave[:, None] * wave)[
            label
        ]
        return image.expand(3, 8, 8) + self.noise * torch.randn(3, 8, 8), label


class Accuracy:
    """Share of images that are told right."""

    def __init__(self) -> None:
        self.right = self.all = 0

    def update(self, predictions: Any, targets: Any) -> None:
        self.right += int((predictions.argmax(1) == targets).sum())
        self.all += len(targets)

    def compute(self) -> dict[str, float]:
        sums = gathered((self.right, self.all))
        return {"top1": 100 * sum(s[0] for s in sums) / sum(s[1] for s in sums)}


class Learner(nn.Module):
    """A network with its loss; `norm` is "batch" or "layer"."""

    def __init__(self, norm: str = "batch") -> None:
        super().__init__()
        kind = nn.BatchNorm2d(8) if norm == "batch" else nn.GroupNorm(1, 8)
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), kind, nn.ReLU(), nn.Dropout(0.1),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, CLASSES),
        )  # fmt: skip

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Any:
        logits = self.backbone(images)
        return logits if targets is None else {"labels": functional.cross_entropy(logits, targets)}


def data(count: int = 26) -> Data:
    """Images to train on, fewer to validate on."""
    return Data(Stripes(count, 0.3), Stripes(12, 0.0), ("a", "b", "c"), {"n": count}, Accuracy)


def trainer(
    settings: Settings | None = None,
    protocol: Protocol = PROTOCOL,
    norm: str = "batch",
    **identity: Any,
) -> Trainer:
    """One at its beginning, or at its checkpoint."""
    torch.manual_seed(0)
    return Trainer(Learner(norm), data(), protocol, settings or Settings(), identity)


def changed(**optimiser: Any) -> Protocol:
    """The protocol with another optimiser."""
    return dataclasses.replace(
        PROTOCOL, optimiser=dataclasses.replace(PROTOCOL.optimiser, **optimiser)
    )


def in_processes(rank: int, folder: Path, norm: str) -> None:
    """What one of two processes does: train, and write what came out."""
    from harness.training.run import distributed  # noqa: PLC0415

    group, _ = distributed.joined("cpu")
    made = trainer(Settings(group=group, checkpoint=folder / "checkpoint.pt"), norm=norm)
    history = made.run()
    torch.save(
        {"rank": rank, "loss": list(history["loss"]), "top1": list(history["top1"]),
         "weights": made.network.state_dict()},
        folder / f"{rank}.pt",
    )  # fmt: skip
    distributed.left()
