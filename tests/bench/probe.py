"""A process that times the proxies of one checkout: an order in JSON a line, an answer a line.

`checkouts.py` starts it with that checkout first on the path, so that two of them are measured by
the same lines of code. It imports nothing of `tests.bench` therefore.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import harness
from benchmarks import BENCHMARKS, inputs
from benchmarks.types import Batch, ids_of
from harness.proxies import PROXIES, Proxy
from harness.scores.store import Record
from harness.scoring.devices import synchronise
from harness.scoring.jacobian import scalar_jacobian_reference, scalar_parameters
from harness.scoring.lending import Job, prepare, score_job
from harness.scoring.request import Request
from harness.scoring.sampling import sample
from harness.scoring.workers import keep_freed_memory

Answer = dict[str, Any]

#: Sets that are not worth enumerating for a few cells are sampled by the space.
_MANY = 100_000


@dataclass
class Clock:
    """Seconds of CPU and of wall, of all that has been timed since the last `take`."""

    device: str
    cpu: float = 0.0
    wall: float = 0.0

    def time(self, function: Callable[[], Any]) -> Any:
        """What the function gives; its time is added, also where it raises."""
        synchronise(self.device)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return function()
        finally:
            synchronise(self.device)
            self.cpu += time.process_time() - cpu
            self.wall += time.perf_counter() - wall

    def take(self) -> list[float]:
        """[CPU, wall], from zero again."""
        taken, self.cpu, self.wall = [self.cpu, self.wall], 0.0, 0.0
        return taken


@dataclass
class Probe:
    """One space, dataset, batch size and device.

    Every public method is an order.
    """

    space: str
    dataset: str
    batch_size: int
    device: str
    _inside: Clock = field(init=False)
    _enter: Callable[[], None] | None = field(init=False, default=None)
    _forward: tuple[tuple[str, str, str], nn.Module] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._inside = Clock(self.device)
        for name in self.proxies():
            PROXIES.add(name, self._timed(PROXIES[name]), PROXIES.aliases(name), replace=True)

    def proxies(self) -> list[str]:
        """Names of all that need a network."""
        return [name for name in PROXIES if PROXIES[name].needs == "network"]

    def cells(self, count: int) -> list[str]:
        """Ids of some random architectures, known to this process from now on."""
        space = BENCHMARKS[self.space].space
        chosen = space.sets[0]
        if hasattr(space, "count") and space.count(chosen) > _MANY:
            rng = random.Random(1)
            cells = [space.sample(rng) for _ in range(count)]
        else:
            ids = ids_of(space, chosen)
            cells = sample(space.architectures(chosen), min(count, len(ids)), 1)
        known, parse = {cell.id: cell for cell in cells}, space.parse
        # Otherwise NAS-Bench-101 would enumerate all of its cells to find one by its hash.
        space.parse = lambda text: known[text] if text in known else parse(text)  # type: ignore[method-assign]
        return [cell.id for cell in sorted(cells, key=self._size)]

    def _size(self, cell: Any) -> int:
        return BENCHMARKS[self.space].space.costs(cell, self.dataset).flops

    def score(self, arch: str, names: Sequence[str]) -> Answer:
        """The proxies of one architecture, as the engine scores them.

        Returns:
            "inside": [CPU, wall] of their functions; "job": with building and drawing the
            networks and making the batches; "error": what went wrong; "values" by part.
        """
        clock = Clock(self.device)
        self._inside.take()
        records = clock.time(functools.partial(self._scored, arch, names, self.batch_size))
        errors = [f"{r.key.proxy}: {r.message}" for r in records if r.status == "error"]
        return {
            "inside": self._inside.take(),
            "job": clock.take(),
            "error": "; ".join(errors),
            "values": {
                f"{r.key.proxy}.{part}": value
                for r in records
                for part, value in {"": r.value, **r.components}.items()
                if value is not None
            },
        }

    def forward(self, arch: str, name: str) -> list[float]:
        """[CPU, wall] of a plain forward pass of the network and batch that a proxy gets."""
        network, batches = self._lent(arch, PROXIES[name])
        clock = Clock(self.device)
        with torch.no_grad():
            clock.time(lambda: network(batches[0].inputs))
        return clock.take()

    def literal(self, arch: str, name: str) -> list[float]:
        """[CPU, wall] of the slow version, in PyTorch's default memory format."""
        network, batches = self._lent(arch, PROXIES[name])
        self._forward = None  # what is changed here is lent to nobody else
        for weight in network.parameters():
            weight.data = weight.data.contiguous()
        plain = [replace(batch, inputs=batch.inputs.contiguous()) for batch in batches]
        clock = Clock(self.device)
        clock.time(lambda: literal(name, network, plain))
        return clock.take()

    def arithmetic(self, arch: str, name: str) -> float:
        """Multiply-adds that a proxy does, in those of a forward pass."""
        network, batches = self._lent(arch, PROXIES[name])
        with _counter() as once, torch.no_grad():
            network(batches[0].inputs)
        with _counter() as counter:
            self._scored(arch, [name], self.batch_size)
        return float(counter.get_total_flops() / once.get_total_flops())

    def measures(self, arch: str) -> Answer:
        """Classes, features and tails of `floors.Measures`."""
        network, (batch, *_) = self._lent(arch, PROXIES["vkdnw"])
        read: dict[nn.Module, int] = {}  # multiply-adds that had been done when a layer was through

        def note(module: nn.Module, _: object, output: object) -> None:
            read[module] = counter.get_total_flops()

        handles = [module.register_forward_hook(note) for module in network.modules()]
        try:
            with _counter() as counter, torch.no_grad():
                logits: Tensor = network(batch.inputs[:2])
        finally:
            for handle in handles:
                handle.remove()
        whole = counter.get_total_flops()
        owners = dict(network.named_modules())
        users = [owners[name.rpartition(".")[0]] for name in scalar_parameters(network)]
        linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
        return {
            "classes": logits.shape[1],
            "features": linears[-1].in_features if linears else logits.shape[1],
            "tails": sum(1 - read.get(user, whole) / whole for user in users),
        }

    def memory(self, arch: str, names: Sequence[str]) -> float | None:
        """Peak memory in MB above that of the process when its first network was built.

        Measured in a process of its own, which has scored two images before: what a first pass
        loads and compiles is not the proxy's. None where the system does not tell.
        """
        if self.device == "cpu" and not Path("/proc/self/clear_refs").exists():
            return None
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, json.dumps(self._peak(arch, names)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            content = pipe.read()
        os.waitpid(child, 0)
        return float(content) if content else None

    # ------------------------------------------------------------------ what orders are made of

    def _timed(self, proxy: Proxy) -> Proxy:
        @functools.wraps(proxy.function)
        def timed(*arguments: Any) -> Any:
            if self._enter is not None:
                self._enter()
            return self._inside.time(functools.partial(proxy.function, *arguments))

        return replace(proxy, function=timed)

    def _scored(self, arch: str, names: Sequence[str], batch_size: int) -> list[Record]:
        # Noise for all: what a proxy costs does not depend on what is in the images.
        request = Request(
            self.space, self.dataset, (), tuple(names), (0,), batch_size, input="gaussian"
        )
        return score_job(Job(request, arch, 0, tuple(names)), self.device)

    def _lent(self, arch: str, proxy: Proxy) -> tuple[nn.Module, list[Batch]]:
        key = arch, proxy.init, proxy.mode
        if self._forward is None or self._forward[0] != key:
            space = BENCHMARKS[self.space].space
            network = space.network(space.parse(arch), self.dataset)
            self._forward = key, prepare(network, proxy, 0, self.device)
        task = BENCHMARKS[self.space].space.dataset(self.dataset)
        size = 1 if proxy.input == "none" else self.batch_size
        made = [inputs.batch("gaussian", task, size, 0, index) for index in range(proxy.batches)]
        batches = [
            replace(
                batch,
                inputs=batch.inputs.to(self.device, memory_format=torch.channels_last),
                targets=batch.targets.to(self.device),
            )
            for batch in made
        ]
        return self._forward[1], batches

    def _peak(self, arch: str, names: Sequence[str]) -> float:
        self._scored(arch, names, 2)
        if self.device != "cpu":
            return self._peak_of_gpu(arch, names)
        with contextlib.suppress(OSError, AttributeError):  # another libc keeps what it keeps
            ctypes.CDLL(None).malloc_trim(0)
        keep_freed_memory()
        before: list[float] = []

        def enter() -> None:
            if not before:
                Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
                before.append(_resident("VmRSS"))

        self._enter = enter
        self._scored(arch, names, self.batch_size)
        return _resident("VmHWM") - before[0]

    def _peak_of_gpu(self, arch: str, names: Sequence[str]) -> float:
        before: list[int] = []

        def enter() -> None:
            if not before:
                torch.cuda.reset_peak_memory_stats()
                before.append(torch.cuda.memory_allocated())

        self._enter = enter
        self._scored(arch, names, self.batch_size)
        return (torch.cuda.max_memory_allocated() - before[0]) / 2**20


def _counter() -> FlopCounterMode:
    """PyTorch's counter, which alone counts gradients of grouped weights as of full ones."""
    return FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten.convolution_backward: _backward_flops}
    )


def _backward_flops(
    gradient: Sequence[int],
    read: Sequence[int],
    weight: Sequence[int],
    biases: object,
    stride: object,
    padding: object,
    dilation: object,
    transposed: bool,
    output_padding: object,
    groups: int,
    wanted: Sequence[bool],
    out_shape: object,
) -> int:
    """Of shapes: the gradients of a convolution's input and weight take as many as itself each."""
    # A transposed one spreads every number read, another gathers for every number given.
    each = math.prod(read if transposed else gradient) * math.prod(weight[1:])
    return 2 * each * sum(wanted[:2])


def _resident(figure: str) -> float:
    """VmRSS or VmHWM of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{figure}:"))


def literal(name: str, network: nn.Module, batches: Sequence[Batch]) -> object:
    """The slow version, as anyone would write it.

    Not the tests' element-by-element Jacobian of vkdnw but vmap(jacrev), as in its public code.
    """
    from harness.proxies.vkdnw import fisher_matrix, spectrum_deciles  # noqa: PLC0415
    from tests.reference.literals import LITERALS  # noqa: PLC0415 - another checkout may lack one

    if name in ("vkdnw", "vkdnw_exact"):
        images = batches[0].inputs
        jacobian = scalar_jacobian_reference(network, images, scalar_parameters(network))
        with torch.no_grad():
            logits = network(images)
        return spectrum_deciles(
            fisher_matrix(logits, jacobian, "public" if name == "vkdnw" else "exact")
        )
    return LITERALS[name](network, *batches)


def serve() -> None:
    """Take orders from standard input until it ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what anything prints is no answer
    begun: dict[str, Any] = json.loads(sys.stdin.readline())
    root = Path(begun.pop("root")).resolve()
    if not Path(harness.__file__).resolve().is_relative_to(root):
        raise SystemExit(f"{harness.__file__} is not of {root}")
    torch.set_num_threads(1)
    if not begun.pop("clean"):
        keep_freed_memory()
    probe = Probe(**begun)
    for line in sys.stdin:
        order, arguments = json.loads(line)
        try:
            answer = {"answer": getattr(probe, order)(**arguments)}
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            answer = {"failed": f"{order}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
