"""Ground truth of every benchmark in one shape: the long `Table` of trained accuracies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.errors import InputError

if TYPE_CHECKING:
    from benchmarks.types import Benchmark, TruthSource

#: Columns of `Table.frame`; one row is one evaluation of one training run.
COLUMNS = ("arch", "dataset", "epochs", "split", "seed", "accuracy")
#: In the column `seed`: the source gives only the mean over its training runs.
MEAN_OF_SEEDS = "mean"


@dataclass(frozen=True)
class Accuracies:
    """Final accuracies under one protocol.

    Attributes:
        values: Mean over the training seeds, in percent, indexed by architecture id.
        protocol: The protocol in words, printed under every table that rests on it.
        source: The table's source.
        trainings: Of the table.
    """

    values: pd.Series[float]
    protocol: str
    source: str
    trainings: str


@dataclass(frozen=True)
class Table:
    """Accuracies of a benchmark's architectures: one row an evaluated training run.

    Attributes:
        benchmark: Its name.
        source: Where the figures come from, in a few words.
        trainings: Who trained the networks; tables of other trainings are independent.
        frame: Columns `COLUMNS`: architecture id, dataset key, training epochs, split, training
            seed (text; "mean" where the source gives only the mean) and accuracy in percent.
    """

    benchmark: str
    source: str
    trainings: str
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

    def holds(self, dataset: str, split: str, epochs: int) -> bool:
        """Whether there is any accuracy under the protocol."""
        return bool(self._under(dataset, split, epochs).any())

    def _under(self, dataset: str, split: str, epochs: int) -> pd.Series[bool]:
        frame = self.frame
        return (
            (frame["dataset"] == dataset) & (frame["split"] == split) & (frame["epochs"] == epochs)
        )

    def accuracies(self, dataset: str, split: str, epochs: int) -> Accuracies:
        """Accuracy of every architecture under one protocol, averaged over training seeds.

        Raises:
            InputError: The table holds nothing for it.
        """
        chosen = self.frame[self._under(dataset, split, epochs)]
        if chosen.empty:
            held = self.frame[["dataset", "split", "epochs"]].drop_duplicates()
            kinds = "; ".join(f"{d} {s} {e} epochs" for d, s, e in held.itertuples(index=False))
            raise InputError(
                f"{self.source} has no {split} accuracy of {dataset} after {epochs} epochs; "
                f"it has: {kinds}"
            )
        values = chosen.groupby("arch", observed=True)["accuracy"].mean().sort_index()
        if set(chosen["seed"]) == {MEAN_OF_SEEDS}:
            seeds = "mean over trainings"
        else:
            counts = chosen.groupby("arch", observed=True).size()
            low, high = int(counts.min()), int(counts.max())
            count = f"{high}" if low == high else f"{low} to {high}"
            seeds = "one training" if high == 1 else f"mean over {count} trainings"
        protocol = f"{self.benchmark} {dataset}, {split} accuracy after {epochs} epochs, {seeds}"
        protocol += f"; source: {self.source}"
        return Accuracies(values, protocol, self.source, self.trainings)


_REMEDY = "the file is damaged or of another kind: fetch or import it again"


def resolve(
    benchmark: Benchmark, name: str, dataset: str, split: str | None = None, epochs: int = 200
) -> Accuracies:
    """Ground truth for a dataset, from the source named or from the best there is.

    Args:
        benchmark: Whose.
        name: "auto", the name of a source, or the path of a table (.csv: compact; .parquet:
            written by `harness data import`).
        dataset: The benchmark's dataset key.
        split: Default: the dataset's final test split.
        epochs: Training epochs.

    Raises:
        InputError: The benchmark has no accuracies; the source is unknown, absent, damaged, or
            holds nothing for the protocol.
    """
    if not benchmark.truths:
        raise InputError(
            f"{benchmark.name} has no accuracies to compare with: its networks were not trained; "
            "harness score and harness export take it"
        )
    split = split or benchmark.space.dataset(dataset).split
    by_name = {truth.name: truth for truth in benchmark.truths}
    if name == "auto":
        for truth in benchmark.truths:
            path = truth.find() if truth.automatic else None
            if path is not None:
                table = truth.load(path)
                if table.holds(dataset, split, epochs):
                    return table.accuracies(dataset, split, epochs)
        ways = "; ".join(f"{t.name}: {t.remedy}" for t in benchmark.truths)
        raise InputError(
            f"no ground truth for {benchmark.name} {dataset}, {split}, {epochs} epochs on this "
            f"machine. To get one: {ways}"
        )
    if name in by_name:
        path = by_name[name].find()
        if path is None:
            raise InputError(f"there is no {name!r} ground truth here: {by_name[name].remedy}")
        return by_name[name].load(path).accuracies(dataset, split, epochs)
    return table_reader(benchmark, name).load(Path(name)).accuracies(dataset, split, epochs)


def table_reader(benchmark: Benchmark, name: str) -> TruthSource:
    """The source that reads the table file `name`.

    Raises:
        InputError: There is no such file, or none of its kind is read.
    """
    by_name = {truth.name: truth for truth in benchmark.truths}
    readers = {".csv": "compact", ".parquet": "official"}
    reader = by_name.get(readers.get(Path(name).suffix, ""))
    if reader is None or not Path(name).is_file():
        raise InputError(
            f"unknown ground truth {name!r}; name one of auto, {', '.join(by_name)}, "
            "or an existing .csv or .parquet table"
        )
    return reader
