"""NAS-Bench-101: 423,624 cells with trained accuracies on CIFAR-10."""

from benchmarks import BENCHMARKS
from benchmarks.nasbench101.space import NASBench101Space
from benchmarks.types import Benchmark


def _none(*a):
    raise NotImplementedError


BENCHMARKS.add(
    "nasbench101",
    Benchmark(
        name="nasbench101",
        space=NASBench101Space(),
        truths=(),
        import_official=_none,
        keep=_none,
        ndcg_top=(1000, 9445),
    ),
    aliases=("nb101",),
)
