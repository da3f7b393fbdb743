"""NAS-Bench-101: 423,624 cells with trained accuracies on CIFAR-10."""

from benchmarks import BENCHMARKS
from benchmarks.nasbench101.space import NASBench101Space
from benchmarks.types import Benchmark


BENCHMARKS.add(
    "nasbench101",
    Benchmark(
        name="nasbench101",
        space=NASBench101Space(),
        truths=(),
        ndcg_top=(1000, 9445),
    ),
    aliases=("nb101",),
)
