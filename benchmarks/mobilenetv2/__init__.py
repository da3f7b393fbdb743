"""The MobileNetV2 space of ZenNAS, ZiCo, AZ-NAS and VKDNW: inverted residuals, no accuracies."""

from benchmarks import BENCHMARKS
from benchmarks.mobilenetv2.space import MobileNetV2Space
from benchmarks.trained import TrainedTables
from benchmarks.types import Benchmark

BENCHMARKS.add(
    "mobilenetv2",
    Benchmark(
        name="mobilenetv2",
        space=MobileNetV2Space(),
        trained=TrainedTables(__name__, first="imagenet"),
        training="mobilenetv2_150",
    ),
    aliases=("mbv2",),
)
