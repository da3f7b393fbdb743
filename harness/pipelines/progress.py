"""Progress of long work: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

_QUIET_SECONDS = 60.0
_MANY_SECONDS = 120.0


class Forecast:
    """How fast work of several kinds goes, and how long the rest will take.

    What is left is counted kind by kind, each at the mean seconds that its kind has taken; how
    much of that passes on the clock (workers share it, networks have to be built) is
    what it has been so far. Work of no kind, such as closed forms, takes no time.

    Args:
        left: How much there is to do of each kind.
        clock: Tells seconds.
    """

    def __init__(self, left: Mapping[str, int], clock: Callable[[], float]) -> None:
        self._left = dict(left)
        self._clock = clock
        self._done = dict.fromkeys(left, 0)
        self._spent = dict.fromkeys(left, 0.0)
        self._started = clock()

    def took(self, kind: str, seconds: float, count: int = 1) -> None:
        """Say that some more of a kind is done, and how long each alone took."""
        if kind not in self._left:
            if not any(self._done.values()):  # the clock of what takes time starts after it
                self._started = self._clock()
            return
        self._left[kind] -= count
        self._done[kind] += count
        self._spent[kind] += count * seconds

    @property
    def per_second(self) -> float | None:
        """How many that take time are done in a second; None before the first."""
        done, passed = sum(self._done.values()), self._clock() - self._started
        return done / passed if done and passed > 0 else None

    @property
    def seconds(self) -> float | None:
        """Seconds left on the clock; None before that can be told."""
        done, spent = sum(self._done.values()), sum(self._spent.values())
        if not any(self._left.values()):
            return 0.0
        if not done or spent <= 0:
            return None
        means = {
            # A kind that has not been met yet: as all of them together.
            kind: self._spent[kind] / count if count else spent / done
            for kind, count in self._done.items()
        }
        rest = sum(left * means[kind] for kind, left in self._left.items())
        return rest * (self._clock() - self._started) / spent


def _rate(per_second: float) -> str:
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{1 / max(per_second, 1e-9):.1f} s each"


def duration(seconds: float | None) -> str:
    """A duration for people.

    >>> duration(None), duration(75), duration(600), duration(9000)
    ('?', '75 s', '10 min', '2.5 h')
    """
    if seconds is None:
        return "?"
    if seconds < _MANY_SECONDS:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 60 * _MANY_SECONDS else f"{seconds / 3600:.1f} h"


class Meter:
    """Counts work done; a context manager.

    Args:
        console: Where it shows.
        label: What is being done.
        unit: What is counted.
        clock: Tells seconds.
    """

    def __init__(
        self,
        console: Console,
        label: str,
        unit: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._label, self._unit, self._clock = console, label, unit, clock
        self._live = Progress(
            TextColumn(label),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", style="progress.data.speed"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", style="progress.remaining"),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task(label, total=None, note="", rate="", left="")
        self._done, self._total = 0, 0
        self._started = self._spoke = clock()
        self._forecast: Forecast | None = None

    def start(self, total: int, done: int = 0) -> None:
        """Say how much there is to do, and how much of it was done earlier."""
        self._total, self._done = total, done
        self._started = self._spoke = self._clock()
        self._forecast = None
        self._live.reset(self._task, total=total, completed=done)
        self.plan({"": total - done})

    def plan(self, left: Mapping[str, int]) -> None:
        """Say how much of it is left of each kind that takes time; `took` then counts."""
        self._forecast = Forecast(left, self._clock)

    def took(self, kind: str, seconds: float) -> None:
        """Say that one more of a kind is done, and how long it alone took."""
        if self._forecast is not None:
            self._forecast.took(kind, seconds)
        self._show(self._done + 1, "")

    @property
    def left(self) -> str:
        """How long the rest will take, for people; "?" before that can be told."""
        return duration(None if self._forecast is None else self._forecast.seconds)

    def advance(self, count: int = 1) -> None:
        """Say that some more is done."""
        self.reach(self._done + count)

    def reach(self, done: int, note: str = "") -> None:
        """Say how much is done altogether, and what came out so far."""
        if self._forecast is not None:
            self._forecast.took("", 1.0, done - self._done)
        self._show(done, note)

    def _show(self, done: int, note: str) -> None:
        self._done = done
        now = self._clock()
        if self._console.is_terminal:
            rate, left = self._pace()
            self._live.update(self._task, completed=done, note=note, rate=rate, left=left)
        elif now - self._spoke > _QUIET_SECONDS:
            self._spoke = now
            rate, left = self._pace()
            pace = ", ".join(filter(None, (rate, left)))
            self._say(f" ({pace})" if pace else "", note)

    def _pace(self) -> tuple[str, str]:
        """Rate and time left, as far as they can be told."""
        per_second = self._forecast.per_second if self._forecast is not None else None
        if self._forecast is None or per_second is None:
            return "", ""
        return _rate(per_second), f"{duration(self._forecast.seconds)} left"

    def _say(self, how: str, note: str = "") -> None:
        unit = f" {self._unit}" if self._unit else ""
        self._console.print(
            f"{self._label}: {self._done:,} of {self._total:,}{unit}{how}"
            f"{'; ' if note else ''}{note}",
            markup=False,
            highlight=False,
            soft_wrap=True,
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
        if not self._console.is_terminal and self._total:
            self._say(f" in {duration(self._clock() - self._started)}")
