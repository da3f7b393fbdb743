"""What a result was computed with, as plain data for environment.json."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

_PACKAGES = ("nas-proxy-harness", "torch", "numpy", "scipy", "pandas", "pyarrow", "analog-nasbench")


#: What trainings are computed with besides.
TRAINING = ("torchvision", "timm", "segmentation-models-pytorch", "pycocotools", "torchmetrics")


def environment(more: Sequence[str] = ()) -> dict[str, str]:
    """Versions of Python and the packages, and the kind of machine (no names, no paths).

    Args:
        more: Packages besides the usual ones.
    """
    found = {"python": platform.python_version(), "system": platform.system()}
    found["machine"] = f"{platform.machine()}, {_processor()}"
    for name in (*_PACKAGES, *more):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown processor")
