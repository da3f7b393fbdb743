"""Trainings that take no time, for the tests of what is around them; workers import them."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.training.truth.journal import Job, Outcome


@dataclass(frozen=True)
class Images:
    """Labelled images, of which only the numbers matter."""

    train: Sequence[int]
    validation: Sequence[int]
    classes: Sequence[str]
    fingerprint: Mapping[str, Any]


def images(data: str = "flowers", resolution: int | None = None) -> Images:
    """Images of three classes."""
    print_of = {"name": data, "images": [300, 9]}
    return Images(range(300), range(9), ("a", "b", "c"), print_of)


def share(*parts: object) -> float:
    """A number in 0..1 that the parts decide."""
    text = ":".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def work(job: Job, device: str) -> Outcome:
    """Accuracy by architecture, and a little by seed; every tenth or so diverges."""
    if share("fails", job.arch, job.seed) < 0.1:
        return Outcome(job.arch, job.seed, {}, 0.5, "the loss is nan in epoch 2")
    accuracy = 80 * share(job.arch) + 20 * share(job.arch, job.seed)
    return Outcome(job.arch, job.seed, {"train": 99.0, "val": accuracy}, 1.25)


def slow_work(job: Job, device: str) -> Outcome:
    """The same, of three epochs with a checkpoint after each, which it goes on from."""
    done = json.loads(job.checkpoint.read_text()) if job.checkpoint.exists() else []
    for epoch in range(len(done), 3):
        time.sleep(0.1)
        done.append(epoch)
        with job.checkpoint.with_suffix(".log").open("a") as stream:
            stream.write(f"{epoch}\n")
        job.checkpoint.write_text(json.dumps(done))
    return work(job, device)


def stopped_work(job: Job, device: str) -> Outcome:
    """The same, but one training is interrupted by the user."""
    if share("stops", job.arch, job.seed) < 0.15:
        raise KeyboardInterrupt
    return work(job, device)


def dying_work(job: Job, device: str) -> Outcome:
    """The process dies."""
    os._exit(1)
