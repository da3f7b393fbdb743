"""What to score: architectures, proxies and seeds, and under which protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import BENCHMARKS, inputs
from benchmarks.errors import InputError
from harness.proxies import Proxy
from harness.scores.store import Key


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

    def check(self) -> None:
        """See, before any work is done, that batch sizes and seeds are possible.

        Raises:
            InputError: One is not.
        """
        smallest = min([self.batch_size, *self.batch_sizes.values()])
        if smallest < 2:
            raise InputError(f"batch size {smallest} is too small; proxies need at least 2")
        strange = [seed for seed in self.seeds if not 0 <= seed < 2**32]
        if strange:
            raise InputError(f"seed {strange[0]} is not in 0..{2**32 - 1}; choose another --seed")
