"""Tables of trained accuracies: the ground truth of every benchmark in one shape.

`Table` is long, a row an evaluated training. `WideTable` is for what is too large for that: a row
an architecture, a column a training, read when it is asked for.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

#: Columns of `Table.frame`; one row is one evaluation of one training run.
COLUMNS = ("arch", "dataset", "epochs", "split", "seed", "accuracy")
#: In the column `seed`: the source gives only the mean over its training runs.
MEAN_OF_SEEDS = "mean"

_WIDE = re.compile(r"[^/]+/\d+/[^/]+/[^/]+")
_KIND = ["dataset", "epochs", "split", "seed"]
_REMEDY = "the file is damaged or of another kind: fetch or import it again"


@dataclass(frozen=True)
class Accuracies:
    """Final accuracies under one protocol.

    Attributes:
        values: Mean over the training seeds, in percent, indexed by architecture id.
        protocol: The protocol in words, printed under every table that rests on it.
        source: The table's source.
        trainings: Of the table.
        lowest: The lowest of the trainings, like `values`; None: the source gives only one figure.
        split: The images that they were measured on, as the benchmark calls them.
        repeats: Of a table of the user's own (`benchmarks.own`), every training: a row an
            architecture, a column a seed. Its architectures are the set that is ranked.
        notes: Further lines of the protocol.
    """

    values: pd.Series[float]
    protocol: str
    source: str
    trainings: str
    lowest: pd.Series[float] | None = None
    split: str = ""
    repeats: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    def diverged(self, below: float) -> set[str]:
        """Ids of the architectures that have a training with less than so many percent."""
        lowest = self.values if self.lowest is None else self.lowest
        return set(lowest.index[lowest < below])


@dataclass(frozen=True)
class Runs:
    """The trainings of every architecture under one protocol.

    Attributes:
        mean: Mean accuracy in percent, indexed by architecture id and sorted by it.
        lowest: Lowest accuracy, like `mean`.
        count: Number of trainings, like `mean`.
        seeds: Seeds of any of them.
    """

    mean: pd.Series[float]
    lowest: pd.Series[float]
    count: pd.Series[int]
    seeds: set[str]


@dataclass(frozen=True)
class TruthTable(ABC):
    """Accuracies of a benchmark's architectures.

    Attributes:
        benchmark: Its name.
        source: Where the figures come from, in a few words.
        trainings: Who trained the networks; tables of other trainings are independent.
    """

    benchmark: str
    source: str
    trainings: str

    @abstractmethod
    def kinds(self) -> pd.DataFrame:
        """What there is: columns `dataset`, `epochs`, `split`, `seed`, each combination once."""

    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Number of architectures, and of accuracies."""

    @abstractmethod
    def runs(self, dataset: str, split: str, epochs: int) -> Runs:
        """The trainings under a protocol that the table holds."""

    def holds(self, dataset: str, split: str, epochs: int) -> bool:
        """Whether there is any accuracy under the protocol."""
        return bool(_under(self.kinds(), dataset, split, epochs).any())

    def accuracies(self, dataset: str, split: str, epochs: int) -> Accuracies:
        """Accuracy of every architecture under one protocol, averaged over training seeds.

        Raises:
            InputError: The table holds nothing for it.
        """
        if not self.holds(dataset, split, epochs):
            held = self.kinds()[["dataset", "split", "epochs"]].drop_duplicates()
            kinds = "; ".join(f"{d} {s} {e} epochs" for d, s, e in held.itertuples(index=False))
            raise InputError(
                f"{self.source} has no {split} accuracy of {dataset} after {epochs} epochs; "
                f"it has: {kinds}"
            )
        runs = self.runs(dataset, split, epochs)
        if runs.seeds == {MEAN_OF_SEEDS}:
            seeds = "mean over trainings"
        else:
            low, high = int(runs.count.min()), int(runs.count.max())
            count = f"{high}" if low == high else f"{low} to {high}"
            seeds = "one training" if high == 1 else f"mean over {count} trainings"
        protocol = f"{self.benchmark} {dataset}, {split} accuracy after {epochs} epochs, {seeds}"
        protocol += f"; source: {self.source}"
        return Accuracies(runs.mean, protocol, self.source, self.trainings, runs.lowest, split)


@dataclass(frozen=True)
class Table(TruthTable):
    """Accuracies in long form: one row an evaluated training run.

    Attributes:
        frame: Columns `COLUMNS`: architecture id, dataset key, training epochs, split, training
            seed (text; "mean" where the source gives only the mean) and accuracy in percent.
    """

    frame: pd.DataFrame

    def validated(self, origin: Path | str) -> Table:
        """This table, checked.

        Args:
            origin: The file it was read from, for messages.

        Raises:
            InputError: A column is missing, a row stands twice, an accuracy is no percentage.
        """
        missing = [column for column in COLUMNS if column not in self.frame.columns]
        if missing:
            raise InputError(f"{origin}: no column {', '.join(missing)}; {_REMEDY}")
        accuracy = pd.to_numeric(self.frame["accuracy"], errors="coerce").to_numpy(dtype=float)
        bad = np.flatnonzero(~((accuracy >= 0) & (accuracy <= 100)))
        if len(bad):
            row = self.frame.iloc[int(bad[0])]
            raise InputError(
                f"{origin}: accuracy {row['accuracy']} of {row['arch']} on {row['dataset']} "
                f"{row['split']} is not in 0..100 percent ({len(bad)} such rows); {_REMEDY}"
            )
        twice = self.frame.duplicated(list(COLUMNS[:-1]))
        if twice.any():
            row = self.frame[twice].iloc[0]
            raise InputError(
                f"{origin}: {row['arch']} stands twice for {row['dataset']} {row['split']}, "
                f"{row['epochs']} epochs, seed {row['seed']} "
                f"({int(twice.sum())} such rows); {_REMEDY}"
            )
        return self

    def kinds(self) -> pd.DataFrame:
        """What there is: columns `dataset`, `epochs`, `split`, `seed`, each combination once."""
        return self.frame[_KIND].drop_duplicates()

    def size(self) -> tuple[int, int]:
        """Number of architectures, and of accuracies."""
        return self.frame["arch"].nunique(), len(self.frame)

    def runs(self, dataset: str, split: str, epochs: int) -> Runs:
        """The trainings under a protocol that the table holds."""
        chosen = self.frame[_under(self.frame, dataset, split, epochs)]
        accuracies = chosen.groupby("arch", observed=True)["accuracy"]
        mean, lowest = accuracies.mean().sort_index(), accuracies.min().sort_index()
        return Runs(mean, lowest, accuracies.size().sort_index(), set(chosen["seed"]))


@dataclass(frozen=True)
class WideTable(TruthTable):
    """Accuracies, one row an architecture and one column a training.

    Attributes:
        archs: Number of rows.
        columns: Names of all columns: "arch", the id; those that `wide_column` names, accuracies
            in percent, NaN where an architecture has no such training; any others.
        read: Gives columns by name; raises `InputError` where their content is none.
    """

    archs: int
    columns: Sequence[str]
    read: Callable[[Sequence[str]], pa.Table]

    @property
    def accuracy_columns(self) -> list[str]:
        """Those columns that hold accuracies."""
        return [name for name in self.columns if is_accuracy(name)]

    def kinds(self) -> pd.DataFrame:
        """What there is: columns `dataset`, `epochs`, `split`, `seed`, each combination once."""
        kinds = pd.DataFrame([n.split("/") for n in self.accuracy_columns], columns=_KIND)
        return kinds.astype({"epochs": int})

    def size(self) -> tuple[int, int]:
        """Number of architectures, and of accuracies, for which every column is read."""
        columns = ([name] for name in self.accuracy_columns)
        counts = (int(self.read(column).to_pandas().count().iloc[0]) for column in columns)
        return self.archs, sum(counts)

    def runs(self, dataset: str, split: str, epochs: int) -> Runs:
        """The trainings under a protocol that the table holds."""
        kinds = self.kinds()
        seeds = list(kinds["seed"][_under(kinds, dataset, split, epochs)])
        names = [wide_column(dataset, epochs, split, seed) for seed in seeds]
        frame = self.read(["arch", *names]).to_pandas().set_index("arch")
        frame = frame.dropna(how="all").sort_index()
        return Runs(frame.mean(axis=1), frame.min(axis=1), frame.count(axis=1), set(seeds))


def wide_column(dataset: str, epochs: int, split: str, seed: str) -> str:
    """Name of a column of a `WideTable`.

    >>> wide_column("cifar10", 108, "test", "0")
    'cifar10/108/test/0'
    """
    return f"{dataset}/{epochs}/{split}/{seed}"


def is_accuracy(column: str) -> bool:
    """Whether a column is one that `wide_column` names."""
    return _WIDE.fullmatch(column) is not None


def _under(kinds: pd.DataFrame, dataset: str, split: str, epochs: int) -> pd.Series[bool]:
    """Which rows are of the protocol."""
    return (kinds["dataset"] == dataset) & (kinds["split"] == split) & (kinds["epochs"] == epochs)
