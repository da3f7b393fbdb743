"""One training of a journal: what goes to the trainer, and what becomes of its failures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.errors import InputError
from harness.training.folders import images
from harness.training.recipe.protocol import protocol
from harness.training.truth import accuracy as single
from harness.training.truth import journal as truth
from harness.training.truth.accuracy import Trained
from harness.training.truth.journal import Job, Setting, train
from harness.training.types import DivergedError

ARCH = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
PROTOCOL = protocol("nasbench201").changed(epochs=2)


def job(tmp_path: Path) -> Job:
    setting = Setting("nasbench201", "images-32-3", PROTOCOL, "flowers")
    return Job(setting, ARCH, 7, tmp_path / "checkpoint.pt")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked of the readers of images and of the trainer, which gives what is put first."""
    calls: list[Any] = []

    def read(data: str, resolution: int | None = None) -> str:
        calls.append((data, resolution))
        return "the images"

    def accuracy(*given: Any, **options: Any) -> Trained:
        calls.append((given, options))
        answer = calls[0]
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Trained)
        return answer

    truth._images.cache_clear()
    monkeypatch.setattr(images, "read", read)
    monkeypatch.setattr(single, "accuracy", accuracy)
    return calls


def test_a_training(asked: list[Any], tmp_path: Path) -> None:
    asked.append(Trained({"val": 71.5}, 12.5, 2))
    outcome = train(job(tmp_path), "cpu")
    assert (outcome.arch, outcome.seed, outcome.failure) == (ARCH, 7, "")
    assert (outcome.accuracies, outcome.seconds) == ({"val": 71.5}, 12.5)
    assert asked[1] == ("flowers", 32)
    (described, settings, labelled), options = asked[2]
    assert (described.architecture.id, described.dataset) == (ARCH, "images-32-3")
    assert (settings, labelled) == (PROTOCOL, "the images")
    assert (options["seed"], options["device"]) == (7, "cpu")
    assert options["checkpoint"] == tmp_path / "checkpoint.pt"
    train(job(tmp_path), "cpu")
    assert len(asked) == 4  # the images are read once


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (DivergedError("the loss is nan in epoch 3; begin again"), "the loss is nan in epoch 3"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory on cpu"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (MemoryError(), "out of memory"),
        (Trained({"val": float("nan")}, 3.0, 2), "no accuracy: .*nan"),
        (Trained({}, 3.0, 2), "no accuracy"),
    ],
)
def test_a_failure_is_an_outcome(
    asked: list[Any], tmp_path: Path, answer: object, reason: str
) -> None:
    asked.append(answer)
    outcome = train(job(tmp_path), "cpu")
    assert not outcome.accuracies
    assert re.match(reason, outcome.failure)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), InputError("a bad image")])
def test_other_errors_stop_the_run(asked: list[Any], tmp_path: Path, error: Exception) -> None:
    asked.append(error)
    with pytest.raises(type(error), match=str(error)):
        train(job(tmp_path), "cpu")
