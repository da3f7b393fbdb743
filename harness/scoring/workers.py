"""Many processes that work on jobs, and how one process computes."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

import cloudpickle
import torch

from benchmarks.errors import InputError
from harness.scores.store import Record
from harness.scoring.functions import packed, unpack
from harness.scoring.lending import Job, score_job

J = TypeVar("J")
R = TypeVar("R")


def available_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def score_in_processes(
    jobs: Sequence[Job],
    workers: int,
    devices: Sequence[str],
    keep: Callable[[Sequence[Record]], None],
) -> None:
    """Score jobs in processes of their own.

    Args:
        jobs: One architecture and seed each.
        workers: How many processes.
        devices: Given to the processes in turn.
        keep: Called in this process with the records of each job, as they come.

    Raises:
        InputError: A worker process died, or the input is at fault.
    """
    proxies = packed({name for job in jobs for name in job.proxies})
    try:
        run_in_processes(
            score_job, jobs, workers, devices, keep, prepare=functools.partial(unpack, proxies)
        )
    except WorkerDiedError as error:
        raise InputError(
            "a worker process died, most likely for want of memory; what was scored is in the "
            "store, run the same command again with fewer --workers or a smaller --batch-size"
        ) from error


class WorkerDiedError(RuntimeError):
    """A worker process ended before its job did."""


def run_in_processes(
    work: Callable[[J, str], R],
    jobs: Sequence[J],
    workers: int,
    devices: Sequence[str],
    keep: Callable[[R], None],
    *,
    prepare: Callable[[], None] | None = None,
    resumable: bool = False,
) -> None:
    """Call a function of each of many jobs, in processes of their own with one thread each.

    Args:
        work: Called with a job and a device in a worker process.
        jobs: In the order in which they are begun.
        workers: How many processes.
        devices: Given to the processes in turn.
        keep: Called in this process with what `work` gives, as it comes.
        prepare: Called once in every process before its first job.
        resumable: Whether jobs may be cut off where the run is stopped, instead of waited for.

    Raises:
        WorkerDiedError: A worker process died.
        Exception: Whatever `work` or `prepare` raises.
    """
    context = _Context()
    queue = context.SimpleQueue()
    for index in range(workers):
        queue.put(devices[index % len(devices)])
    pool = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(queue, os.getpid(), cloudpickle.dumps((work, prepare))),
    )
    waiting: set[Future[R]] = set()
    upcoming = iter(jobs)
    try:
        # A short queue: what is not yet handed out costs nothing when the run is stopped.
        for job in _take(upcoming, 3 * workers):
            waiting.add(pool.submit(_work_here, job))
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                keep(future.result())
            for job in _take(upcoming, len(finished)):
                waiting.add(pool.submit(_work_here, job))
    except BrokenProcessPool as error:
        raise WorkerDiedError("a worker process died") from error
    except BaseException:
        if resumable:
            for process in multiprocessing.active_children():
                if isinstance(process, _Process):
                    process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _take(jobs: Iterator[J], count: int) -> Iterator[J]:
    for _, job in zip(range(count), jobs, strict=False):
        yield job


class _Process(SpawnProcess):
    """A new process that does not run the script of its parent again.

    What proxies need of the script is sent to it. So a script needs no `__name__` guard, and one
    that Python reads from its standard input, of which there is no file, works too.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the name is multiprocessing's
        main = vars(sys.modules["__main__"])
        kept: dict[str, Any] = {
            name: main.pop(name) for name in ("__spec__", "__file__") if name in main
        }
        main["__spec__"] = None
        try:
            return SpawnProcess._Popen(process_obj)
        finally:
            del main["__spec__"]
            main.update(kept)


class _Context(SpawnContext):
    """Starts such processes."""

    Process = _Process


@dataclass
class _Worker:
    """This process, where it is a worker: device, work, and what went wrong at its start."""

    device: str = "cpu"
    work: Callable[[Any, str], Any] | None = None
    failure: InputError | None = None


_worker = _Worker()


def _start_worker(queue: Any, parent: int, packed_work: bytes) -> None:
    _worker.device = queue.get()
    try:
        _worker.work, prepare = cloudpickle.loads(packed_work)
        if prepare is not None:
            prepare()
    except InputError as error:  # told with the first job: here it would only break the pool
        _worker.failure = error
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the run
    torch.set_num_threads(1)
    keep_freed_memory()

    def leave_with_parent() -> None:
        # A parent killed by SIGKILL cannot tell its workers to go.
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()


def _work_here(job: Any) -> Any:
    if _worker.failure is not None:
        raise _worker.failure
    assert _worker.work is not None
    return _worker.work(job, _worker.device)


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
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
