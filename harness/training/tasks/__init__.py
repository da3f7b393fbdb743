"""The tasks, one file each, which defines `TASK`."""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks.errors import InputError
from harness.training.types import Task


def names() -> list[str]:
    """Names of all tasks."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def task(name: str) -> Task:
    """The task called `name`.

    Raises:
        InputError: There is none of that name.
    """
    if name not in names():
        raise InputError(f"unknown task {name!r}; known: {', '.join(names())}")
    found: Task = importlib.import_module(f"harness.training.tasks.{name}").TASK
    return found
