"""Trainings of many architectures with several seeds, kept in a journal that outlives the process.

A training that is finished is a file of its own, written whole or not at all; one that runs keeps
a checkpoint. So a run that is killed at any moment goes on where it was, with other workers or
devices too.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import torch

from benchmarks import BENCHMARKS
from benchmarks.data import parse_json, replacing
from benchmarks.errors import InputError
from harness.inspect.describe import Description
from harness.scoring.workers import WorkerDiedError, run_in_processes, single_thread
from harness.training.recipe.protocol import Protocol
from harness.training.types import DivergedError

_IDENTITY = "trainings.json"
_FINISHED, _RUNNING, _LOCK = "finished", "running", ".lock"
_MAX_BYTES = 1 << 20
#: PyTorch's words for a CPU without memory, which is an error of no kind of its own.
_NO_MEMORY = ("can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Setting:
    """What all trainings share.

    Attributes:
        benchmark: Whose architectures.
        dataset: Its dataset key, which fixes resolution and classes.
        protocol: How they are trained.
        data: What `harness.training.folders.images.read` takes.
    """

    benchmark: str
    dataset: str
    protocol: Protocol
    data: str


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        setting: See there.
        arch: Architecture id.
        seed: Of weights, order of images and augmentation.
        checkpoint: Where it is kept while it runs.
    """

    setting: Setting
    arch: str
    seed: int
    checkpoint: Path


@dataclass(frozen=True)
class Outcome:
    """A training that is finished.

    Attributes:
        arch: Architecture id.
        seed: See `Job`.
        accuracies: In percent, by split; empty where it failed.
        seconds: Wall time.
        failure: Why there is no accuracy; "": there is.
    """

    arch: str
    seed: int
    accuracies: Mapping[str, float]
    seconds: float
    failure: str = ""


class Journal:
    """The folder of finished trainings, and of checkpoints of those that run.

    Args:
        folder: Made where it is not there.
        identity: What identifies the trainings, plain data; architectures and seeds apart, so that
            more of them may come later.

    Raises:
        InputError: The folder holds trainings of another identity or something else, cannot be
            written, or is at work by another process.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        text = json.dumps(identity, indent=1, sort_keys=True)
        file = folder / _IDENTITY
        if file.is_file():
            held = _content(file)
            given = json.loads(text)
            other = [key for key in given if held.get(key) != given[key]]
            begun = any((folder / part).is_dir() and any((folder / part).iterdir())
                        for part in (_FINISHED, _RUNNING))  # fmt: skip
            if other and begun:
                raise InputError(
                    f"{folder} holds trainings of another {' and '.join(sorted(other))} "
                    f"({_difference(held, given)}); choose another --out, or remove that folder to "
                    "begin anew"
                )
            if other:
                with replacing(file) as temporary:
                    temporary.write_text(text, encoding="utf-8")
        elif folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} holds no trainings, but other files; choose another --out")
        else:
            with replacing(file) as temporary:
                temporary.write_text(text, encoding="utf-8")
        self._lock = _locked(folder)
        (folder / _FINISHED).mkdir(exist_ok=True)
        (folder / _RUNNING).mkdir(exist_ok=True)

    @property
    def count(self) -> int:
        """Finished trainings, asked for or not."""
        return sum(1 for _ in (self.folder / _FINISHED).glob("*.json"))

    def close(self) -> None:
        """Let others work in the folder."""
        self._lock.close()

    def checkpoint(self, arch: str, seed: int) -> Path:
        """Where a training is kept while it runs."""
        return self.folder / _RUNNING / f"{_name(arch, seed)}.pt"

    def keep(self, outcome: Outcome) -> None:
        """Keep a finished training; its checkpoint goes."""
        with replacing(self._file(outcome.arch, outcome.seed)) as temporary:
            temporary.write_text(json.dumps(asdict(outcome), indent=1), encoding="utf-8")
        self.checkpoint(outcome.arch, outcome.seed).unlink(missing_ok=True)

    def outcome(self, arch: str, seed: int) -> Outcome | None:
        """A finished training; None: it is not.

        Raises:
            InputError: Its file is damaged.
        """
        file = self._file(arch, seed)
        if not file.is_file():
            return None
        held = _content(file)
        try:
            found = Outcome(**held)
            figures = [float(found.seconds), *map(float, found.accuracies.values())]
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{file} is damaged: {error}; remove it to train again") from error
        named = (found.arch, found.seed) == (arch, seed) and isinstance(found.failure, str)
        if not named or not all(map(math.isfinite, figures)):
            raise InputError(f"{file} is of another training or damaged; remove it to train again")
        return found

    def _file(self, arch: str, seed: int) -> Path:
        return self.folder / _FINISHED / f"{_name(arch, seed)}.json"


def _difference(held: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The first entry that differs, as deep as it has names."""
    for key in {**held, **given}:
        one, other = held.get(key), given.get(key)
        if one != other:
            if isinstance(one, dict) and isinstance(other, dict):
                return f"{key} {_difference(one, other)}"
            return f"{key} {str(one)[:60]}, not {str(other)[:60]}"
    return "nothing"


def _locked(folder: Path) -> IO[bytes]:
    """A lock on the folder, held until the file is closed or the process ends."""
    lock = (folder / _LOCK).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise InputError(
            f"another harness truth make is at work in {folder}; wait for it, or choose another "
            "--out"
        ) from error
    return lock


def _name(arch: str, seed: int) -> str:
    """A name of a file: ids have signs that some file systems do not."""
    return f"{seed}-{hashlib.sha256(arch.encode()).hexdigest()[:24]}"


def _content(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise InputError(f"{file} is no file of harness truth make; remove it")
        content = parse_json(file.read_text(encoding="utf-8"), file)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}; remove it to train again") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} is damaged; remove it to train again")
    return content


def train(job: Job, device: str) -> Outcome:
    """Do one training, or go on with it.

    Returns:
        Also of a training that diverged, or for which memory did not suffice.

    Raises:
        InputError: The data or the protocol is at fault, not the architecture.
    """
    from harness.training.truth import accuracy as single  # noqa: PLC0415 - the packages of an extra

    setting = job.setting
    benchmark = BENCHMARKS[setting.benchmark]
    architecture = benchmark.space.parse(job.arch)
    described = Description(benchmark, architecture, setting.dataset, setting.protocol.network.se)
    images = _images(setting.data, setting.protocol.resolution[0])
    try:
        trained = single.accuracy(
            described, setting.protocol, images, seed=job.seed, device=device,
            checkpoint=job.checkpoint, on_epoch=lambda done, total: None,
        )  # fmt: skip
    except DivergedError as error:
        return _failed(job, str(error).partition(";")[0])
    except (torch.OutOfMemoryError, MemoryError):
        return _failed(job, f"out of memory on {device}")
    except RuntimeError as error:
        if not any(words in str(error) for words in _NO_MEMORY):
            raise
        return _failed(job, f"out of memory on {device}")
    strange = {
        name: value for name, value in trained.accuracies.items() if not math.isfinite(value)
    }
    if strange or not trained.accuracies:
        return _failed(job, f"no accuracy: {strange}", trained.seconds)
    return Outcome(job.arch, job.seed, dict(trained.accuracies), trained.seconds)


def _failed(job: Job, reason: str, seconds: float = 0.0) -> Outcome:
    return Outcome(job.arch, job.seed, {}, seconds, reason)


@functools.lru_cache(maxsize=1)
def _images(data: str, resolution: int) -> Any:
    """The images, read once in a process."""
    from harness.training.folders import images  # noqa: PLC0415 - as in `train`

    return images.read(data, resolution)


def train_all(
    setting: Setting,
    trainings: Sequence[tuple[str, int]],
    journal: Journal,
    *,
    workers: int,
    devices: Sequence[str],
    on_outcome: Callable[[Outcome], None],
    work: Callable[[Job, str], Outcome] = train,
) -> None:
    """Do trainings, and keep each as soon as it is finished.

    What comes out depends neither on the number of workers nor on their order.

    Args:
        setting: What they share.
        trainings: Architecture id and seed of each.
        journal: Where they are kept.
        workers: How many processes; 1: this one.
        devices: Given to the processes in turn.
        on_outcome: Called after every training.
        work: Does one.

    Raises:
        InputError: The input is at fault, or a worker process died.
    """

    def keep(outcome: Outcome) -> None:
        journal.keep(outcome)
        on_outcome(outcome)

    jobs = [Job(setting, arch, seed, journal.checkpoint(arch, seed)) for arch, seed in trainings]
    if min(workers, len(jobs)) <= 1:
        with single_thread():
            for job in jobs:
                keep(work(job, devices[0]))
        return
    try:
        run_in_processes(work, jobs, min(workers, len(jobs)), devices, keep, resumable=True)
    except WorkerDiedError as error:
        raise InputError(
            f"a worker process died, most likely for want of memory; what was trained is in "
            f"{journal.folder}, run the same command again with fewer --workers or a smaller "
            "--batch-size"
        ) from error
