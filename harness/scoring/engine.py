"""Scoring: builds, seeds and times; the world that a proxy needs not know.

For the missing records of an architecture the engine makes a network with weights drawn from
their key, one for all proxies of an initialisation, mode and input, which can so share passes. It
puts it on the device and stores each score, or the reason why there is none. A score depends on its
key alone: neither on order, nor on workers, nor on what else is scored.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import functools
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from benchmarks import BENCHMARKS, inputs
from benchmarks.errors import InputError
from benchmarks.types import Batch
from harness.proxies import PROXIES, Proxy, Score
from harness.scores.store import Key, Record, Store, status_of
from harness.scoring import passes
from harness.scoring.initialise import initialise, weight_seed

#: So many architectures are looked up by name in the store, instead of reading the column.
_FEW = 100


@dataclass(frozen=True)
class Request:
    """What to score.

    Attributes:
        benchmark: Name of the benchmark.
        dataset: Its dataset key.
        archs: Architecture ids.
        proxies: Names of proxies.
        seeds: One record each for every architecture and proxy.
        batch_size: Images in the batch.
        batch_sizes: Other batch sizes, by proxy.
        input: "auto" (what each proxy prefers), "gaussian", or the name of an image set.
    """

    benchmark: str
    dataset: str
    archs: Sequence[str]
    proxies: Sequence[str]
    seeds: Sequence[int] = (0,)
    batch_size: int = 64
    input: str = "auto"
    batch_sizes: Mapping[str, int] = field(default_factory=dict)

    def batch_size_of(self, proxy: Proxy) -> int:
        """Images in each of a proxy's batches; 0 where it sees none."""
        if self.input_of(proxy) == "none":
            return 0
        return self.batch_sizes.get(proxy.name, self.batch_size)

    def input_of(self, proxy: Proxy) -> str:
        """The input that a proxy gets: "none", "gaussian" or an image set.

        Real images are preferred by proxies that depend on data, where there are some.

        Raises:
            InputError: The input is unknown, or its images are not on this machine.
        """
        if proxy.input == "none":
            return "none"
        if self.input == "auto":
            sets = BENCHMARKS[self.benchmark].space.dataset(self.dataset).images
            there = (images for images in sets if inputs.available(images))
            return next(there, inputs.GAUSSIAN) if proxy.input == "images" else inputs.GAUSSIAN
        if self.input != inputs.GAUSSIAN and not inputs.available(self.input):
            remedy = inputs.image_set(self.input).remedy
            raise InputError(f"there are no {self.input} images on this machine; {remedy}")
        return self.input

    def key(self, arch: str, proxy: Proxy, seed: int) -> Key:
        """Key of one record of this request."""
        source = self.input_of(proxy)
        return Key(
            benchmark=self.benchmark,
            dataset=self.dataset,
            arch=arch,
            proxy=proxy.name,
            version=proxy.version,
            seed=seed,
            batch_size=self.batch_size_of(proxy),
            input=source,
            init=proxy.init,
        )

    def column(self, proxy: Proxy, seed: int) -> Mapping[str, str | int]:
        """The key columns that all records of one proxy and seed share."""
        key = self.key("", proxy, seed)
        return {name: getattr(key, name) for name in Key.__slots__ if name != "arch"}


@dataclass
class Tally:
    """What a run did.

    Attributes:
        stored: Records that were there before.
        scored: New records with a score.
        failed: New records without, by status.
        seconds: Wall time.
    """

    stored: int = 0
    scored: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


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
        on_record: Called after every record.

    Raises:
        InputError: The request is not possible, or a worker process died.
    """
    started = time.perf_counter()
    devices = _devices(device)
    smallest = min([request.batch_size, *request.batch_sizes.values()])
    if smallest < 2:
        raise InputError(f"batch size {smallest} is too small; proxies need at least 2")
    strange = [seed for seed in request.seeds if not 0 <= seed < 2**32]
    if strange:
        raise InputError(f"seed {strange[0]} is not in 0..{2**32 - 1}; choose another --seed")
    todo, stored = missing(request, store, retry_failed=retry_failed)
    tally = Tally(stored=stored)
    on_start(sum(map(len, todo.values())), stored)

    def keep(records: Sequence[Record]) -> None:
        store.add(records, replace=retry_failed)
        for record in records:
            if record.ok:
                tally.scored += 1
            else:
                tally.failed[record.status] = tally.failed.get(record.status, 0) + 1
            on_record(record)

    closed_form = {name for name in request.proxies if PROXIES[name].needs == "costs"}
    closed_form = {PROXIES[name].name for name in closed_form}
    _score_closed_forms(request, todo, closed_form, keep)
    jobs = [
        _Job(request, arch, seed, tuple(n for n in names if n not in closed_form))
        for (arch, seed), names in todo.items()
    ]
    jobs = [job for job in jobs if job.proxies]
    _check_inputs(request, jobs)
    if workers is None:
        workers = 4 * len(devices) if devices[0] != "cpu" else available_cores()
    workers = max(1, min(workers, len(jobs)))
    if workers == 1:
        with _single_thread():
            for job in jobs:
                keep(_score(job, devices[0]))
    else:
        _score_in_processes(jobs, workers, devices, keep)
    tally.seconds = time.perf_counter() - started
    return tally


def available_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_device(device: str) -> str:
    """ "auto" is CUDA where there is a GPU; other names are checked.

    Raises:
        InputError: The device is unknown or not there.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    _devices(device)
    return device


def _devices(device: str) -> list[str]:
    if device == "cpu":
        return ["cpu"]
    if device.split(":", maxsplit=1)[0] != "cuda":
        raise InputError(f"unknown device {device!r}; use cpu, cuda or cuda:N")
    count = torch.cuda.device_count()
    if device == "cuda" and count:
        return [f"cuda:{index}" for index in range(count)]
    number = device.partition(":")[2]
    if not number.isdigit() or int(number) >= count:
        raise InputError(f"there is no device {device} (GPUs here: {count}); use --device cpu")
    return [device]


def _check_inputs(request: Request, jobs: Sequence[_Job]) -> None:
    """Make one batch of every kind, so that bad data is one message and not a record each."""
    proxies = [PROXIES[name] for name in {name for job in jobs for name in job.proxies}]
    kinds = {(request.input_of(proxy), request.batch_size_of(proxy)) for proxy in proxies}
    for source, size in kinds:
        _batch(request, source, size, request.seeds[0])


# ------------------------------------------------------------------ one architecture


@dataclass(frozen=True)
class _Job:
    """The network proxies missing for one architecture and seed."""

    request: Request
    arch: str
    seed: int
    proxies: tuple[str, ...]


def _batch(request: Request, source: str, size: int, seed: int, index: int = 0) -> Batch:
    dataset = BENCHMARKS[request.benchmark].space.dataset(request.dataset)
    if source == "none":  # only the shape matters
        return inputs.batch(inputs.GAUSSIAN, dataset, 1, 0)
    return inputs.batch(source, dataset, size, seed, index)


def _score(job: _Job, device: str) -> list[Record]:
    records = []
    # One input at a time, so that the graph of one forward pass is held, not of several.
    groups: dict[tuple[str, str, str], list[Proxy]] = {}
    for name in job.proxies:
        proxy = PROXIES[name]
        groups.setdefault((proxy.init, proxy.mode, proxy.input), []).append(proxy)
    for proxies in groups.values():
        loan = _Loan(job, proxies[0], device)
        with passes.sharing() as shared:
            for proxy in proxies:
                key = job.request.key(job.arch, proxy, job.seed)
                evaluate = functools.partial(loan.evaluation, proxy, key)
                records.append(_record(key, evaluate, device, shared.take_credit))
                if not loan.returned_as_lent():
                    shared.clear()
    return records


class _Loan:
    """One network and its batches, lent to all proxies of one initialisation, mode and input.

    They see the same weights anyway, and can so share passes. A borrower that changes
    anything costs the next one a new network, never a wrong score.
    """

    def __init__(self, job: _Job, proxy: Proxy, device: str) -> None:
        self._job, self._proxy, self._device = job, proxy, device
        self._network: nn.Module | None = None
        self._before: dict[str, Any] = {}
        self._batches: dict[tuple[str, int, int], Batch] = {}

    def evaluation(self, proxy: Proxy, key: Key) -> Callable[[], Score]:
        """The proxy's function with all that it takes."""
        job, request = self._job, self._job.request
        if self._network is None:
            space = BENCHMARKS[request.benchmark].space
            network = space.network(space.parse(job.arch), request.dataset)
            arch, lent = job.arch, self._proxy
            seed = weight_seed(request.benchmark, request.dataset, arch, job.seed, lent)
            self._network = prepare(network, lent, seed, self._device)
            self._before = copy.deepcopy(_trace(self._network))
        kinds = [(key.input, key.batch_size, index) for index in range(proxy.batches)]
        for source, size, index in kinds:
            if (source, size, index) not in self._batches:
                made = _batch(request, source, size, job.seed, index)
                self._batches[source, size, index] = _to(made, self._device)
        batches = [self._batches[kind] for kind in kinds]
        return functools.partial(proxy.function, self._network, *batches)

    def returned_as_lent(self) -> bool:
        """Whether network and batches are as they were; what is not is given up."""
        kept = {k: batch for k, batch in self._batches.items() if batch.inputs._version == 0}
        clean = len(kept) == len(self._batches)
        self._batches = kept
        if self._network is not None and not _same(_trace(self._network), self._before):
            self._network, clean = None, False
        return clean


def _trace(network: nn.Module) -> dict[str, Any]:
    """All that a borrower could change: tensors (the network's own), modes, hooks, gradients."""
    trace: dict[str, Any] = {}
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        trace[f"{name}, value"] = tensor.detach()
        trace[f"{name}, autograd"] = (id(tensor), tensor.requires_grad, tensor.grad is None)
    for name, module in network.named_modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        shadowed = "forward" in vars(module)
        trace[f"{name}, module"] = (id(module), module.training, shadowed, *map(len, hooks))
    return trace


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
        for name, value in one.items()
    )


def prepare(network: nn.Module, proxy: Proxy, seed: int, device: str) -> nn.Module:
    """Weights, mode, device and memory format, as a proxy wants them.

    Weights are drawn on the CPU, so that they are the same on every device.
    """
    if proxy.init != "none":
        initialise(network, proxy.init, seed)
    network.train(proxy.mode == "train")
    moved: nn.Module = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def _to(batch: Batch, device: str) -> Batch:
    images = batch.inputs.to(device, memory_format=torch.channels_last)
    return replace(batch, inputs=images, targets=batch.targets.to(device))


def _record(
    key: Key,
    evaluate: Callable[[], Callable[[], Score]],
    device: str,
    credit: Callable[[], float] = float,
) -> Record:
    """Run a proxy and judge what it gives. The only place that catches whatever it raises.

    Seconds are those of the proxy alone: with the `credit` of passes that it found computed.
    """
    seconds = 0.0
    try:
        function = evaluate()
        _synchronise(device)
        credit()
        started = time.perf_counter()
        result = function()
        _synchronise(device)
        seconds = time.perf_counter() - started + credit()
        given = result if isinstance(result, Mapping) else {"score": result}
        parts = {str(part): float(value) for part, value in given.items()}
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - anybody's proxy may raise anything
        return Record(
            key,
            None,
            status="error",
            message=f"{type(error).__name__}: {error}"[:1000],
            seconds=seconds,
            device=_device_name(device),
            versions=_versions(),
        )
    value = parts.pop("score", None)
    judged = [value] if value is not None else list(parts.values())
    status = next((s for s in map(status_of, judged) if s != "ok"), "ok")
    return Record(
        key,
        value if value is not None and status == "ok" else None,
        status=status,
        components={k: v for k, v in parts.items() if status_of(v) == "ok"},
        seconds=seconds,
        device=_device_name(device),
        versions=_versions(),
    )


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
            block.append(_record(key, functools.partial(_ready, function), "cpu"))
        if len(block) >= 5000:
            keep(block)
            block = []
    if block:
        keep(block)


def _ready(function: Callable[[], Score]) -> Callable[[], Score]:
    return function


def _synchronise(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def _device_name(device: str) -> str:
    return "cpu" if device == "cpu" else torch.cuda.get_device_name(device)


def _versions() -> str:
    return f"torch {torch.__version__}, python {platform.python_version()}"


# ------------------------------------------------------------------ many processes


def _score_in_processes(
    jobs: Sequence[_Job],
    workers: int,
    devices: Sequence[str],
    keep: Callable[[Sequence[Record]], None],
) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    for index in range(workers):
        queue.put(devices[index % len(devices)])
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(queue, os.getpid())
    )
    waiting: set[Future[list[Record]]] = set()
    upcoming = iter(jobs)
    try:
        # A short queue: what is not yet handed out costs nothing when the run is stopped.
        for job in _take(upcoming, 3 * workers):
            waiting.add(pool.submit(_score_here, job))
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                keep(future.result())
            for job in _take(upcoming, len(finished)):
                waiting.add(pool.submit(_score_here, job))
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process died, most likely for want of memory; what was scored is in the "
            "store, run the same command again with fewer --workers or a smaller --batch-size"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _take(jobs: Iterator[_Job], count: int) -> Iterable[_Job]:
    for _, job in zip(range(count), jobs, strict=False):
        yield job


_worker: dict[str, str] = {}  # of this process: its device


def _start_worker(queue: Any, parent: int) -> None:
    _worker["device"] = queue.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the run
    torch.set_num_threads(1)
    keep_freed_memory()

    def leave_with_parent() -> None:
        # A parent killed by SIGKILL cannot tell its workers to go.
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()


def _score_here(job: _Job) -> list[Record]:
    return _score(job, _worker["device"])


@contextlib.contextmanager
def _single_thread() -> Iterator[None]:
    """One thread, as in the workers: the number of threads changes the order of sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks: activations of some MB are otherwise returned to the
    system and faulted in again at every layer (a quarter of vkdnw's time on a CPU)."""
    if sys.platform == "linux":
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (OSError, AttributeError):  # musl has none
            return
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)
