"""One architecture's network, lent to the proxies that ask for it; and what they give, judged."""

from __future__ import annotations

import copy
import functools
import inspect
import platform
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import BENCHMARKS, inputs
from benchmarks.errors import InputError
from benchmarks.types import Batch
from harness.proxies import PROXIES, Proxy, Score
from harness.scores.store import Key, Record, status_of
from harness.scoring import passes
from harness.scoring.devices import device_name, synchronise
from harness.scoring.initialise import initialise, weight_seed
from harness.scoring.request import Request


@dataclass(frozen=True)
class Job:
    """The network proxies missing for one architecture and seed."""

    request: Request
    arch: str
    seed: int
    proxies: tuple[str, ...]


def make_batch(request: Request, source: str, size: int, seed: int, index: int = 0) -> Batch:
    """One batch of a request.

    Args:
        request: Benchmark and dataset.
        source: "none", "gaussian" or an image set.
        size: Images in it; one, and no matter which, where the source is "none".
        seed: What it is drawn from.
        index: Which of the seed's batches.

    Raises:
        InputError: The images cannot be read.
    """
    dataset = BENCHMARKS[request.benchmark].space.dataset(request.dataset)
    if source == "none":  # only the shape matters
        return inputs.batch(inputs.GAUSSIAN, dataset, 1, 0)
    return inputs.batch(source, dataset, size, seed, index)


def score_job(job: Job, device: str) -> list[Record]:
    """One record for every proxy of a job, whatever the proxies do.

    Raises:
        InputError: The input is at fault, not a proxy.
    """
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
                records.append(judged(key, evaluate, device, shared.take_credit))
                if not loan.returned_as_lent():
                    shared.clear()
    return records


class _Loan:
    """One network and its batches, lent to all proxies of one initialisation, mode and input.

    They see the same weights anyway, and can so share passes. A borrower that changes
    anything costs the next one a new network, never a wrong score.
    """

    def __init__(self, job: Job, proxy: Proxy, device: str) -> None:
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
                made = make_batch(request, source, size, job.seed, index)
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


def judged(
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
        synchronise(device)
        credit()
        started = time.perf_counter()
        result = function()
        synchronise(device)
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
            message=_told(error, PROXIES[key.proxy].function),
            seconds=seconds,
            device=device_name(device),
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
        device=device_name(device),
        versions=_versions(),
    )


def _versions() -> str:
    return f"torch {torch.__version__}, python {platform.python_version()}"


def _told(error: Exception, function: Callable[..., Score]) -> str:
    """An error in one text, with the innermost line of the proxy's own file that led to it."""
    text = f"{type(error).__name__}: {error}"[:1000]
    inner = inspect.unwrap(function)
    own = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    path = getattr(own, "co_filename", None)
    met = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in met if frame.f_code.co_filename == path]
    if path is None or not lines:
        return text
    # A kernel puts every cell into a file of its own, whose name says nothing.
    cell = Path(path).parent.name.startswith("ipykernel_")
    name = "notebook cell" if cell else Path(path).name
    if name == "<dynamic-code>":  # cloudpickle's word: sent to a worker, it has lost its file
        name = getattr(inner, "__name__", type(inner).__name__)
    return f"{text} ({name}, line {lines[-1]})"
