"""UniNAS: a universal space of ConvNets, transformers and everything between, no accuracies."""

from benchmarks import BENCHMARKS
from benchmarks.trained import TrainedTables
from benchmarks.types import Benchmark
from benchmarks.uninas.space import UniNASSpace

BENCHMARKS.add(
    "uninas",
    Benchmark(
        name="uninas",
        space=UniNASSpace(),
        trained=TrainedTables(__name__, first="uninas"),
        training="uninas_classification",
    ),
)
