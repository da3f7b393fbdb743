"""UniNAS: a universal space of ConvNets, transformers and everything between, no accuracies."""

from benchmarks import BENCHMARKS
from benchmarks.types import Benchmark
from benchmarks.uninas.space import UniNASSpace

BENCHMARKS.add(
    "uninas",
    Benchmark(name="uninas", space=UniNASSpace(), training="uninas_classification"),
)
