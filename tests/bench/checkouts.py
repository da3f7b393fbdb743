"""Checkouts of the harness, each measured in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

#: Of these files.
ROOT = Path(__file__).parents[2]
_PROBE = Path(__file__).with_name("probe.py")


class ProbeError(RuntimeError):
    """A process that measures has ended."""


class OrderError(RuntimeError):
    """One order has failed; the process takes the next."""


@dataclass(frozen=True)
class Setting:
    """What is measured on.

    Attributes:
        space: Name of the benchmark.
        dataset: One of its datasets.
        batch_size: Images.
        device: "cpu" or "cuda:N".
    """

    space: str
    dataset: str
    batch_size: int
    device: str = "cpu"


@dataclass
class Checkout:
    """One version of the code, and the processes that time it.

    Attributes:
        root: Its folder.
        setting: What is measured on.
        cells: How many architectures are drawn.
        drawn: Their ids.
    """

    root: Path
    setting: Setting
    cells: int
    drawn: list[str] = field(init=False)

    def __enter__(self) -> Checkout:
        # Memory is measured in copies of a process that has computed nothing.
        self._timing = self._started(clean=False)
        self._clean = self._started(clean=True)
        self.drawn = self.ask("cells", count=self.cells)
        if self.ask_clean("cells", count=self.cells) != self.drawn:
            raise ProbeError(f"{self.root} draws other cells in every process")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in (self._timing, self._clean):
            if kind is not None:
                process.kill()
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    def ask(self, order: str, **arguments: Any) -> Any:
        """The answer of a public method of `probe.Probe`."""
        return _asked(self._timing, order, arguments)

    def ask_clean(self, order: str, **arguments: Any) -> Any:
        """The same of the process that computes nothing itself: for "memory"."""
        return _asked(self._clean, order, arguments)

    @property
    def version(self) -> str:
        """Its commit, "+" where files differ from it; the folder's name where there is no git."""
        command = ["git", "-C", str(self.root), "describe", "--always", "--dirty=+"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.stdout.strip() or self.root.name

    def _started(self, *, clean: bool) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root),
            "OMP_NUM_THREADS": "1",
        }
        # -P: the folder of the script is no place to import from, as another checkout's would be.
        process = subprocess.Popen(
            [sys.executable, "-P", str(_PROBE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env=environment,
        )
        _tell(process, {"root": str(self.root), "clean": clean, **asdict(self.setting)})
        return process


def _tell(process: subprocess.Popen[str], message: Any) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(f"{json.dumps(message)}\n")
        process.stdin.flush()
    except BrokenPipeError as error:
        raise ProbeError("a process that measures has ended; its error stands above") from error


def _asked(process: subprocess.Popen[str], order: str, arguments: Any) -> Any:
    assert process.stdout is not None
    _tell(process, [order, arguments])
    line = process.stdout.readline()
    if not line:
        raise ProbeError(f"a process that measures has ended at {order}; its error stands above")
    answer = json.loads(line)
    if "failed" in answer:
        raise OrderError(answer["failed"])
    return answer["answer"]
