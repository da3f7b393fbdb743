"""Progress of long work: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_QUIET_SECONDS = 15.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else _rate(speed), style="progress.data.speed")


def _rate(per_second: float) -> str:
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{1 / max(per_second, 1e-9):.1f} s each"


class Meter:
    """Counts work done; a context manager.

    Args:
        console: Where it shows.
        label: What is being done.
        unit: What is counted.
    """

    def __init__(self, console: Console, label: str, unit: str = "") -> None:
        self._console, self._label, self._unit = console, label, unit
        self._live = Progress(
            TextColumn(label),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task(label, total=None, note="")
        self._done, self._total, self._before = 0, 0, 0
        self._started = self._spoke = time.monotonic()

    def start(self, total: int, done: int = 0) -> None:
        """Say how much there is to do, and how much of it was done earlier."""
        self._total, self._done, self._before = total, done, done
        self._started = self._spoke = time.monotonic()
        self._live.reset(self._task, total=total, completed=done)

    def advance(self, count: int = 1) -> None:
        """Say that some more is done."""
        self.reach(self._done + count)

    def reach(self, done: int, note: str = "") -> None:
        """Say how much is done altogether, and what came out so far."""
        self._done = done
        self._live.update(self._task, completed=done, note=note)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoke > _QUIET_SECONDS:
            self._spoke = now
            speed = max(done - self._before, 1e-9) / (now - self._started)
            left = (self._total - done) / speed
            self._console.print(
                f"{self._label}: {done:,} of {self._total:,} {self._unit} "
                f"({_rate(speed)}, {left / 60:.1f} min left){'; ' if note else ''}{note}",
                markup=False,
                highlight=False,
            )

    def __enter__(self) -> Meter:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)
