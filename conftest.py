"""What needs torchvision and timm is collected only where they are: `make unit-train`."""

from __future__ import annotations

import importlib.util

_HERE = importlib.util.find_spec("timm") is not None

collect_ignore = [] if _HERE else ["harness/training", "tests/harness/training"]


def pytest_report_header() -> str:
    """Say what is left out."""
    return (
        "trainings: collected" if _HERE else "trainings: not collected; make unit-train runs them"
    )
