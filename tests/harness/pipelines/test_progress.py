"""Progress: what is left is told by what is left, not by a mixture of all that was done."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.pipelines.progress import Forecast, Meter


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_kinds_of_very_different_cost() -> None:
    clock = Clock()
    forecast = Forecast({"quick": 100, "slow": 10}, clock)
    assert (forecast.seconds, forecast.per_second) == (None, None)
    for _ in range(90):  # two workers: half of what each takes passes
        clock.now += 0.005
        forecast.took("quick", 0.01)
    for _ in range(5):
        clock.now += 5
        forecast.took("slow", 10)
    assert forecast.seconds == pytest.approx(5 * 5 + 10 * 0.005)
    assert forecast.per_second == pytest.approx(95 / 25.45)


def test_closed_forms_are_not_mixed_in() -> None:
    clock = Clock()
    forecast = Forecast({"nwot": 4}, clock)
    for _ in range(1000):
        clock.now += 0.01
        forecast.took("params", 0.0)
    assert forecast.per_second is None
    for _ in range(2):
        clock.now += 3
        forecast.took("nwot", 2)
    assert forecast.per_second == pytest.approx(1 / 3)
    assert forecast.seconds == pytest.approx(6)


def test_a_kind_not_met_yet_and_the_end() -> None:
    clock = Clock()
    forecast = Forecast({"a": 1, "b": 2}, clock)
    clock.now += 4
    forecast.took("a", 4)
    assert forecast.seconds == pytest.approx(8)
    for _ in range(2):
        forecast.took("b", 1)
    assert forecast.seconds == 0


def lines(step: float, count: int, total: int, *, kinds: bool) -> list[str]:
    """What a log that is no terminal gets."""
    clock, stream = Clock(), io.StringIO()
    console = Console(file=stream, force_terminal=False, width=100)
    with Meter(console, "scoring", "scores", clock) as meter:
        meter.start(total)
        if kinds:
            meter.plan({"nwot": total})
        for number in range(count):
            clock.now += step
            if kinds:
                meter.took("nwot", 2 * step)
            else:
                meter.reach(number + 1, "best 1")
    return stream.getvalue().splitlines()


def test_a_log_gets_a_line_a_minute_and_one_at_the_end() -> None:
    assert lines(10, 13, 20, kinds=True) == [
        "scoring: 7 of 20 scores (10.0 s each, 2 min left)",
        "scoring: 13 of 20 scores in 2 min",
    ]
    assert lines(0.25, 4, 4, kinds=True) == ["scoring: 4 of 4 scores in 1 s"]
    assert lines(61, 1, 3, kinds=False)[0] == (
        "scoring: 1 of 3 scores (61.0 s each, 2 min left); best 1"
    )
    assert lines(1, 0, 0, kinds=False) == []
