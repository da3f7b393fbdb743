"""Scoring: builds, seeds and times; the world that a proxy needs not know.

For the missing records of an architecture the engine makes a network with weights drawn from
their key, one for all proxies of an initialisation, mode and input, which can so share passes. It
puts it on the device and stores each score, or the reason why there is none. A score depends on its
key alone: neither on order, nor on workers, nor on what else is scored.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks import BENCHMARKS
from harness.proxies import PROXIES, Score
from harness.scores.store import Record, Store
from harness.scoring.devices import devices_of, resolve_device
from harness.scoring.lending import Job, judged, make_batch, score_job
from harness.scoring.request import Request
from harness.scoring.workers import available_cores, score_in_processes, single_thread

__all__ = ["Failures", "Request", "Tally", "available_cores", "missing", "resolve_device", "run"]

#: So many architectures are looked up by name in the store, instead of reading the column.
_FEW = 100


@dataclass
class Failures:
    """What went wrong with one proxy in a run.

    Attributes:
        count: Records without a score.
        message: The first error's, with file and line; empty where nothing was raised.
        arch: The architecture of that error, or of the first failure.
    """

    count: int = 0
    message: str = ""
    arch: str = ""


@dataclass
class Tally:
    """What a run did.

    Attributes:
        stored: Records that were there before.
        scored: New records with a score.
        failed: New records without, by status.
        seconds: Wall time.
        failures: The same failures by proxy, with the first message of each.
    """

    stored: int = 0
    scored: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    failures: dict[str, Failures] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count one new record."""
        if record.ok:
            self.scored += 1
            return
        self.failed[record.status] = self.failed.get(record.status, 0) + 1
        own = self.failures.setdefault(record.key.proxy, Failures(arch=record.key.arch))
        own.count += 1
        if record.message and not own.message:
            own.message, own.arch = record.message, record.key.arch


def missing(
    request: Request, store: Store, *, retry_failed: bool = False
) -> tuple[dict[tuple[str, int], list[str]], int]:
    """Proxies still to run for each (architecture, seed), and how many records are there."""
    todo: dict[tuple[str, int], list[str]] = {}
    stored = 0
    # A few are looked up one by one: a search asks often, of a store that is large.
    few = {"arch": list(request.archs)} if len(request.archs) <= _FEW else {}
    for name in dict.fromkeys(PROXIES[name].name for name in request.proxies):
        proxy = PROXIES[name]
        for seed in request.seeds:
            statuses = store.statuses(**request.column(proxy, seed), **few)
            known = {a for a, status in statuses.items() if status != "error" or not retry_failed}
            for arch in dict.fromkeys(request.archs):
                if arch in known:
                    stored += 1
                else:
                    todo.setdefault((arch, seed), []).append(proxy.name)
    return todo, stored


def run(
    request: Request,
    store: Store,
    *,
    workers: int | None = None,
    device: str = "cpu",
    retry_failed: bool = False,
    on_start: Callable[[int, int], None] = lambda total, stored: None,
    on_plan: Callable[[Mapping[str, int]], None] = lambda left: None,
    on_record: Callable[[Record], None] = lambda record: None,
) -> Tally:
    """Score what the store does not hold yet.

    Args:
        request: What to score.
        store: Where records go, as soon as they are computed.
        workers: Processes; default one a CPU core, or four a GPU.
        device: "cpu", "cuda" (all GPUs in turn) or "cuda:N".
        retry_failed: Score again what raised an error before.
        on_start: Called once with the number of records to make and the number there.
        on_plan: Called once after it with the number of records to make of each proxy that needs
            a network: those take time, closed forms take none.
        on_record: Called after every record.

    Raises:
        InputError: The request is not possible, or a worker process died.
    """
    started = time.perf_counter()
    devices = devices_of(device)
    request.check()
    todo, stored = missing(request, store, retry_failed=retry_failed)
    tally = Tally(stored=stored)
    on_start(sum(map(len, todo.values())), stored)

    def keep(records: Sequence[Record]) -> None:
        store.add(records, replace=retry_failed)
        for record in records:
            tally.add(record)
            on_record(record)

    closed_form = {p.name for p in map(PROXIES.__getitem__, request.proxies) if p.needs == "costs"}
    bare = replace(request, archs=())  # jobs are sent to processes, each with its own alone
    left = {key: [name for name in names if name not in closed_form] for key, names in todo.items()}
    jobs = [Job(bare, arch, seed, tuple(names)) for (arch, seed), names in left.items() if names]
    on_plan(Counter(name for job in jobs for name in job.proxies))
    _score_closed_forms(request, todo, closed_form, keep)
    _check_inputs(request, jobs)
    if workers is None:
        workers = 4 * len(devices) if devices[0] != "cpu" else available_cores()
    workers = max(1, min(workers, len(jobs)))
    if workers == 1:
        with single_thread():
            for job in jobs:
                keep(score_job(job, devices[0]))
    else:
        score_in_processes(jobs, workers, devices, keep)
    tally.seconds = time.perf_counter() - started
    return tally


def _check_inputs(request: Request, jobs: Sequence[Job]) -> None:
    """Make one batch of every kind, so that bad data is one message and not a record each."""
    proxies = [PROXIES[name] for name in {name for job in jobs for name in job.proxies}]
    kinds = {(request.input_of(proxy), request.batch_size_of(proxy)) for proxy in proxies}
    for source, size in kinds:
        make_batch(request, source, size, request.seeds[0])


def _score_closed_forms(
    request: Request,
    todo: Mapping[tuple[str, int], Sequence[str]],
    names: set[str],
    keep: Callable[[Sequence[Record]], None],
) -> None:
    """Proxies of the closed-form costs: microseconds each, so written in large blocks."""
    space = BENCHMARKS[request.benchmark].space
    block: list[Record] = []
    for (arch, seed), missing_names in todo.items():
        wanted = [name for name in missing_names if name in names]
        if not wanted:
            continue
        costs = space.costs(space.parse(arch), request.dataset)
        for name in wanted:
            function = functools.partial(PROXIES[name].function, costs)
            key = request.key(arch, PROXIES[name], seed)
            block.append(judged(key, functools.partial(_ready, function), "cpu"))
        if len(block) >= 5000:
            keep(block)
            block = []
    if block:
        keep(block)


def _ready(function: Callable[[], Score]) -> Callable[[], Score]:
    return function
