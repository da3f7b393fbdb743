"""NAS-Bench-201 / NATS-Bench topology: 15,625 cells with trained accuracies."""

import functools

from benchmarks import BENCHMARKS, published
from benchmarks.nasbench201 import table
from benchmarks.nasbench201.space import NASBench201Space
from benchmarks.types import Benchmark

BENCHMARKS.add(
    "nasbench201",
    Benchmark(
        name="nasbench201",
        space=NASBench201Space(),
        truths=table.TRUTHS,
        import_official=table.import_official,
        keep=table.keep,
        ndcg_top=(1000, 9445),
        fetches=("nats_bench",),
        published=functools.partial(published.packaged, __name__),
    ),
    aliases=("nb201", "nats-tss"),
)
