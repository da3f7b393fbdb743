"""Every proxy of a network: against its floor, its literal version and another checkout."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.proxies import PROXIES
from tests.bench.checkouts import ROOT, Checkout, OrderError, Setting
from tests.bench.floors import FLOORS, Measures, together

#: The single-network proxies of the VKDNW paper's Table 1 and AZ-NAS's parts, without TE-NAS's.
TABLE1 = (
    "grad_norm", "grasp", "snip", "synflow", "jacov", "nwot", "zen", "gradsign", "zico", "vkdnw",
    "az_nas",
)  # fmt: skip
GROUP = "Table 1, shared"

#: A run so short is repeated once more: the first of a shape compiles its kernels.
_SHORT = 5.0
_LITERAL_SECONDS = 90.0


@dataclass
class Times:
    """Seconds of one proxy (or group) in one checkout: CPU and wall, of one run each.

    Attributes:
        forward: Of a forward pass just before.
        inside: Of the proxy's function.
        job: Of building and drawing its network and making its batches as well.
        values: By part.
    """

    forward: list[list[float]] = field(default_factory=list)
    inside: list[list[float]] = field(default_factory=list)
    job: list[list[float]] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)

    def median(self, what: str, kind: int) -> float:
        """Of the runs: 0 for CPU, 1 for wall."""
        runs: list[list[float]] = getattr(self, what)
        return statistics.median(each[kind] for each in runs)


@dataclass
class Side:
    """One checkout's figures of a row, means over the cells.

    Attributes:
        ms: Milliseconds of the proxy; of a group with its networks and batches. CPU time, since
            other work on the machine lengthens wall time more; on a GPU wall time.
        wall: Wall milliseconds of the same.
        job: As `ms`, with network and batches.
        forward: Of one forward pass.
        memory: Peak, in MB.
    """

    ms: float
    wall: float
    job: float
    forward: float
    memory: float | None = None

    @property
    def forwards(self) -> float:
        """Time of the proxy in forward passes."""
        return self.ms / self.forward


@dataclass
class Row:
    """One proxy, or proxies that share their passes.

    Attributes:
        name: Of the proxy or group.
        error: Why there are no figures.
        now: This checkout.
        before: The one compared with.
        floor: In forward passes; None where none is declared.
        reason: Of the floor.
        arithmetic: Multiply-adds counted, in those of a forward pass.
        literal: How many times as long the literal version takes.
        apart: Milliseconds of a group's proxies one by one.
        difference: Largest relative difference between the values of the two checkouts.
    """

    name: str
    error: str = ""
    now: Side | None = None
    before: Side | None = None
    floor: float | None = None
    reason: str = ""
    arithmetic: float | None = None
    literal: float | None = None
    apart: float | None = None
    difference: float | None = None


@dataclass(frozen=True)
class Plan:
    """What is run how often.

    Attributes:
        setting: Space, dataset, batch size, device.
        cells: Architectures.
        repeats: Runs of each proxy and cell, of which the median counts.
        budget: Seconds after which a proxy and cell are not run again, two runs at least.
        names: Proxies; empty: all.
        literals: Whether the literal versions run too.
        against: Another checkout.
    """

    setting: Setting
    cells: int
    repeats: int = 5
    budget: float = 30.0
    names: Sequence[str] = ()
    literals: bool = False
    against: Path | None = None


@dataclass
class Measured:
    """What a plan gave so far."""

    plan: Plan
    versions: list[str]
    rows: list[Row]


def measure(plan: Plan) -> Iterator[Measured]:
    """Rows as they come, each time all of them."""
    with ExitStack() as stack:
        roots = [ROOT] if plan.against is None else [ROOT, plan.against.resolve()]
        sides = [stack.enter_context(Checkout(r, plan.setting, plan.cells)) for r in roots]
        if any(side.drawn != sides[0].drawn for side in sides):
            raise SystemExit("the checkouts draw different cells; there is nothing to compare")
        known = [set(side.ask("proxies")) for side in sides]
        names = [PROXIES[name].name for name in plan.names] or sorted(known[0])
        found = Measured(plan, [side.version for side in sides], [])
        measures = {
            cell: Measures(plan.setting.batch_size, **sides[0].ask("measures", arch=cell))
            for cell in sides[0].drawn
        }
        for name in names:
            # A proxy that only this checkout has is measured alone.
            shared = [side for side, names_ in zip(sides, known, strict=True) if name in names_]
            found.rows.append(_row(name, [name], shared, plan, measures))
            yield found
        scored = {row.name: row for row in found.rows if row.now is not None}
        if set(TABLE1) <= set(names):
            members = [name for name in TABLE1 if name in scored]
            row = _row(GROUP, members, sides, plan, measures)
            row.apart = sum(side.job for name in members if (side := scored[name].now))
            found.rows.append(row)
            yield found


def _row(
    label: str,
    members: Sequence[str],
    sides: Sequence[Checkout],
    plan: Plan,
    measures: dict[str, Measures],
) -> Row:
    """Measure one proxy or group on all cells."""
    cells = sides[0].drawn
    row = Row(label)
    runs: list[list[Times]] = []  # by cell, by checkout
    for cell in cells:
        times = _alternate(sides, cell, members, plan)
        if isinstance(times, str):
            row.error = times
            return row
        runs.append(times)
    ours = [times[0] for times in runs]
    alone = label == members[0]
    clock = 0 if plan.setting.device == "cpu" else 1
    row.now, *others = (
        _side([times[k] for times in runs], alone, clock) for k in range(len(sides))
    )
    row.before = others[0] if others else None
    for side, checkout in zip((row.now, row.before), sides, strict=False):
        if side is not None:
            side.memory = checkout.ask_clean("memory", arch=cells[-1], names=members)
    if set(members) <= set(FLOORS):
        floors = [_floor(members, measures[cell]) for cell in cells]
        forwards = [times.median("forward", clock) for times in ours]
        row.floor = sum(f * s for f, s in zip(floors, forwards, strict=True)) / sum(forwards)
    row.difference = _difference(runs) if others else None
    if alone:
        row.reason = FLOORS[label].reason if label in FLOORS else "no floor is declared"
        row.arithmetic = sides[0].ask("arithmetic", arch=cells[-1], name=label)
        if plan.literals:
            row.literal = _literal(label, sides[0], cells, ours, clock)
    return row


def _alternate(
    sides: Sequence[Checkout], cell: str, members: Sequence[str], plan: Plan
) -> list[Times] | str:
    """The checkouts in turn, so that what else the machine does meets both; or the error met."""
    found = [Times() for _ in sides]
    order = list(zip(sides, found, strict=True))
    started = time.perf_counter()

    def run_each() -> str:
        for side, times in order:
            times.forward.append(side.ask("forward", arch=cell, name=members[0]))
            answer = side.ask("score", arch=cell, names=members)
            if answer["error"]:
                return f"{side.version}: {answer['error']}"
            times.inside.append(answer["inside"])
            times.job.append(answer["job"])
            times.values = answer["values"]
        order.reverse()
        return ""

    error = run_each()
    if not error and found[0].job[0][1] < _SHORT:
        for times in found:  # the first run compiled kernels
            del times.forward[:], times.inside[:], times.job[:]
    while not error and len(found[0].job) < plan.repeats:
        spent = time.perf_counter() - started
        if len(found[0].job) >= 2 and spent > plan.budget * len(sides):
            break
        error = run_each()
    return error or found


def _side(runs: Sequence[Times], alone: bool, clock: int) -> Side:
    """Means over cells of one checkout's medians."""

    def mean(what: str, kind: int) -> float:
        return 1000 * statistics.fmean(times.median(what, kind) for times in runs)

    what = "inside" if alone else "job"
    return Side(mean(what, clock), mean(what, 1), mean("job", clock), mean("forward", clock))


def _floor(members: Sequence[str], measures: Measures) -> float:
    if len(members) == 1:
        return FLOORS[members[0]].of(measures)
    groups: dict[Any, list[str]] = {}
    for name in members:
        proxy = PROXIES[name]
        groups.setdefault((proxy.init, proxy.mode, proxy.input), []).append(name)
    return together(groups.values(), measures, FLOORS)


def _literal(
    name: str, side: Checkout, cells: Sequence[str], ours: Sequence[Times], clock: int
) -> float | None:
    """Ratio to the literal version, on so many of the cells as fit into a minute and a half.

    None where it fails: in float32 a rounding can be the logarithm of a negative number.
    """
    slow = fast = 0.0
    for cell, times in zip(cells, ours, strict=True):
        try:
            slow += side.ask("literal", arch=cell, name=name)[clock]
        except OrderError:
            return None
        fast += times.median("inside", clock)
        if slow > _LITERAL_SECONDS:
            break
    return slow / fast


def _difference(runs: Sequence[Sequence[Times]]) -> float:
    """Largest relative difference between the values of two checkouts."""
    largest = 0.0
    for now, before in runs:
        for part, value in now.values.items():
            other = before.values.get(part)
            if other is None:
                return float("nan")
            scale = max(abs(value), abs(other))
            largest = max(largest, abs(value - other) / scale if scale else 0.0)
    return largest
