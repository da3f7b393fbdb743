"""NAS-Bench-101: 423,624 cells with trained accuracies on CIFAR-10."""

from benchmarks import BENCHMARKS
from benchmarks.nasbench101 import official, table
from benchmarks.nasbench101.space import NASBench101Space
from benchmarks.types import Benchmark

BENCHMARKS.add(
    "nasbench101",
    Benchmark(
        name="nasbench101",
        space=NASBench101Space(),
        truths=table.TRUTHS,
        import_official=official.import_official,
        keep=table.IMPORTED.keep,
        ndcg_top=(1000, 9445),
        fetches=table.FETCHES,
        training="nasbench101",
    ),
    aliases=("nb101",),
)
