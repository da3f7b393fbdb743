"""Figures that a paper reports on a benchmark, for the reference columns of the tables."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.errors import InputError
from benchmarks.packaged import Packaged, leading, need

METRICS = ("kendall_tau", "spearman", "ndcg")
_COLUMNS = ("method", "type", "dataset", *METRICS)
_TYPES = ("simple", "aggregate", "model")
#: Kinds of leading lines, and what they state.
_SAID = {
    "source": "the paper, and where in it",
    "title": "a short name, such as Table 1",
    "set": "the architecture set that it was measured on",
    "protocol": "how the figures were obtained",
    "note": "what else a reader should know",
}


@dataclass(frozen=True)
class Published:
    """A paper's table.

    Attributes:
        key: What `--paper` calls it.
        title: Its short name, such as "Table 1".
        set_name: The architecture set that it was measured on.
        frame: One row a method and dataset, in the paper's order: `method` (named as the
            harness names it), `type` (simple, aggregate, model), `dataset` (the benchmark's
            key), `kendall_tau`, `spearman`, `ndcg`; NaN where the paper reports nothing.
        source: The paper and the table in it.
        protocol: How its figures were obtained.
        notes: What else a reader of the figures should know.
    """

    key: str
    title: str
    set_name: str
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


class Papers(Packaged[Published]):
    """Papers' tables in the folder `published` of a benchmark's package, read when asked for.

    A table is a file `<key>.csv`; adding one is adding the file. Lines that begin with `#` come
    first, then a CSV table with the columns of `Published.frame`:

        # source: the paper, and where in it
        # title: a short name, such as Table 1
        # set: the architecture set that it was measured on
        # protocol: how the figures were obtained
        # note: what else a reader should know; as many as there are

    Args:
        package: "benchmarks.nasbench201" ...
        first: Key of the table that is taken where none is named.
    """

    def __init__(self, package: str, first: str) -> None:
        super().__init__(package, "published", parse, first)


def parse(text: str, name: str) -> Published:
    """Read a paper's table.

    Args:
        text: Content of the file.
        name: Of the file; its stem is the table's key.

    Raises:
        InputError: It is not of the form that `Papers` describes.
    """
    said, body = leading(text, name, _SAID)
    frame = pd.read_csv(io.StringIO(body))
    if tuple(frame.columns) != _COLUMNS:
        raise InputError(f"{name}: expected the columns {', '.join(_COLUMNS)}")
    need(said, name, {kind: what for kind, what in _SAID.items() if kind != "note"})
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
    joined = {kind: "; ".join(lines) for kind, lines in said.items()}
    return Published(
        Path(name).stem, joined["title"], joined["set"], frame, joined["source"],
        joined["protocol"], tuple(said["note"]),
    )  # fmt: skip
