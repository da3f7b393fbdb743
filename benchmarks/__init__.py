"""What is ranked: architectures, their networks, their trained accuracies. Knows no proxy."""

from benchmarks.registry import Registry
from benchmarks.types import Benchmark

#: Every benchmark, by name. A package here that registers itself is found on first use.
BENCHMARKS: Registry[Benchmark] = Registry("benchmark", package=__name__, subpackages=True)
