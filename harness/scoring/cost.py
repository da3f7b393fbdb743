"""What a forward pass costs: the unit in which costs of proxies compare across machines."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from benchmarks import BENCHMARKS, inputs
from harness.scoring.devices import device_name, synchronise
from harness.scoring.request import Request

_WARM_UPS = 1
_REPEATS = 3


class Stopwatch:
    """Times forward passes of architectures; the same ones once.

    Args:
        request: Benchmark and dataset.
        device: "cpu", "cuda" or "cuda:N".
    """

    def __init__(self, request: Request, device: str) -> None:
        self._space = BENCHMARKS[request.benchmark].space
        self._dataset = request.dataset
        self._device = device
        self._seconds: dict[tuple[str, int], float] = {}

    @property
    def device_name(self) -> str:
        """As records name their device."""
        return device_name(self._device)

    def forward_seconds(self, archs: Sequence[str], batch_size: int) -> float:
        """Mean seconds of one forward pass: noise, eval mode, no gradients, one thread.

        Args:
            archs: Architecture ids; of each the fastest of a few repeats counts.
            batch_size: Images in the batch.
        """
        for arch in archs:
            if (arch, batch_size) not in self._seconds:
                self._seconds[arch, batch_size] = self._time(arch, batch_size)
        return sum(self._seconds[arch, batch_size] for arch in archs) / len(archs)

    def _time(self, arch: str, batch_size: int) -> float:
        task = self._space.dataset(self._dataset)
        network = self._space.network(self._space.parse(arch), self._dataset).eval()
        # As the engine hands networks and batches to proxies.
        network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = inputs.batch(inputs.GAUSSIAN, task, batch_size, 0).inputs
        images = images.to(self._device, memory_format=torch.channels_last)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        times = []
        try:
            with torch.no_grad():
                for _ in range(_WARM_UPS + _REPEATS):
                    synchronise(self._device)
                    started = time.perf_counter()
                    network(images)
                    synchronise(self._device)
                    times.append(time.perf_counter() - started)
        finally:
            torch.set_num_threads(threads)
        return min(times[_WARM_UPS:])
