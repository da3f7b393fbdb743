"""Figures that a paper reports on a benchmark, for the reference columns of the tables."""

from __future__ import annotations

import importlib.resources
import io
from dataclasses import dataclass

import pandas as pd

from benchmarks.errors import InputError

METRICS = ("kendall_tau", "spearman", "ndcg")
_COLUMNS = ("method", "type", "dataset", *METRICS)
_TYPES = ("simple", "aggregate", "model")


@dataclass(frozen=True)
class Published:
    """A paper's table.

    Attributes:
        frame: One row a method and dataset, in the paper's order: `method` (named as the
            harness names it), `type` (simple, aggregate, model), `dataset` (the benchmark's
            key), `kendall_tau`, `spearman`, `ndcg`; NaN where the paper reports nothing.
        source: The paper and the table in it.
        protocol: How its figures were obtained.
        notes: What else a reader of the figures should know.
    """

    frame: pd.DataFrame
    source: str
    protocol: str
    notes: tuple[str, ...]

    @property
    def datasets(self) -> list[str]:
        """Datasets with figures, in the paper's order."""
        return list(dict.fromkeys(self.frame["dataset"]))

    @property
    def methods(self) -> dict[str, str]:
        """Type of every method, in the paper's order."""
        return dict(zip(self.frame["method"], self.frame["type"], strict=True))

    def values(self, method: str, dataset: str) -> dict[str, float]:
        """The figures of a method on a dataset: NaN where there are none."""
        frame = self.frame
        row = frame[(frame["method"] == method) & (frame["dataset"] == dataset)]
        return {m: float(row[m].iloc[0]) if len(row) else float("nan") for m in METRICS}


def packaged(package: str) -> Published:
    """The figures in `published.csv` of a benchmark's package.

    Lines that begin with `#` come first, each `# source: ...`, `# protocol: ...` or
    `# note: ...`; then a CSV table with the columns of `Published.frame`.

    Args:
        package: "benchmarks.nasbench201" ...

    Raises:
        InputError: The file is absent, or not of that form.
    """
    name = f"{package.replace('.', '/')}/published.csv"
    try:
        text = importlib.resources.files(package).joinpath("published.csv").read_text("utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{name} is missing; install the harness again") from error
    return parse(text, name)


def parse(text: str, name: str) -> Published:
    """Read the text of a `published.csv`.

    Args:
        text: Its content.
        name: Of the file, for messages.

    Raises:
        InputError: It is not of the form that `packaged` describes.
    """
    said: dict[str, list[str]] = {"source": [], "protocol": [], "note": []}
    lines = text.splitlines()
    body = [line for line in lines if not line.startswith("#")]
    for line in lines[: len(lines) - len(body)]:
        kind, colon, words = line.lstrip("# ").partition(":")
        if not colon or kind not in said:
            raise InputError(
                f"{name}: {line!r} should be a leading line '# source: ...', "
                "'# protocol: ...' or '# note: ...'"
            )
        said[kind].append(words.strip())
    frame = pd.read_csv(io.StringIO("\n".join(body)))
    if tuple(frame.columns) != _COLUMNS:
        raise InputError(f"{name}: expected the columns {', '.join(_COLUMNS)}")
    if not said["source"]:
        raise InputError(f"{name}: it has no line '# source: ...'; name the paper and the table")
    strange = sorted(set(frame["type"]) - set(_TYPES))
    if strange:
        raise InputError(f"{name}: type {strange[0]!r} is none of {', '.join(_TYPES)}")
    twice = frame[frame.duplicated(["method", "dataset"])]
    if len(twice):
        method, dataset = twice.iloc[0][["method", "dataset"]]
        raise InputError(f"{name}: {method} on {dataset} has two rows; keep one")
    outside = frame[(frame[list(METRICS)].abs() > 1).any(axis=1)]
    if len(outside):
        raise InputError(f"{name}: {outside.iloc[0]['method']} has a figure outside -1..1")
    return Published(
        frame, "; ".join(said["source"]), "; ".join(said["protocol"]), tuple(said["note"])
    )
