"""NAS-Bench-201 / NATS-Bench topology: 15,625 cells with trained accuracies."""

from benchmarks import BENCHMARKS
from benchmarks.nasbench201 import official, table
from benchmarks.nasbench201.space import NASBench201Space
from benchmarks.published import Papers
from benchmarks.types import Benchmark

BENCHMARKS.add(
    "nasbench201",
    Benchmark(
        name="nasbench201",
        space=NASBench201Space(),
        truths=table.TRUTHS,
        import_official=official.import_official,
        keep=table.IMPORTED.keep,
        ndcg_top=(1000, 9445),
        fetches=("nats_bench",),
        tables=Papers(__name__, first="vkdnw"),
        training="nasbench201",
    ),
    aliases=("nb201", "nats-tss"),
)
