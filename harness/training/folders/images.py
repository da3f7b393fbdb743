"""Labelled images: the interface that `harness.training.truth` rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.training.types import Samples


@dataclass(frozen=True)
class LabelledImages:
    """Images of a classification.

    Attributes:
        train: Images with class numbers.
        validation: Likewise.
        classes: Their names.
        resolution: Side of the images where all have one.
        fingerprint: Identifies the data.
    """

    train: Samples
    validation: Samples
    classes: Sequence[str]
    resolution: int | None
    fingerprint: Mapping[str, Any]


def read(data: str | Path, resolution: int | None = None) -> LabelledImages:
    """Images of a folder, an .npz file or an image set."""
    raise NotImplementedError(f"{data}, {resolution}")
