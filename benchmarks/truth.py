"""Ground truth of every benchmark in one shape: the long `Table` of trained accuracies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.errors import InputError

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
        source: The table's source, for columns.
    """

    values: pd.Series[float]
    protocol: str
    source: str


@dataclass(frozen=True)
class Table:
    """Accuracies of a benchmark's architectures: one row an evaluated training run.

    Attributes:
        benchmark: Its name.
        source: Where the figures come from, in a few words.
        frame: Columns `COLUMNS`: architecture id, dataset key, training epochs, split, training
            seed (text; "mean" where the source gives only the mean) and accuracy in percent.
    """

    benchmark: str
    source: str
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
        accuracy = self.frame["accuracy"].to_numpy(dtype=float)
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
                f"{row['epochs']} epochs, seed {row['seed']} ({int(twice.sum())} such rows); {_REMEDY}"
            )
        return self

    def accuracies(self, dataset: str, split: str, epochs: int) -> Accuracies:
        """Accuracy of every architecture under one protocol, averaged over training seeds.

        Raises:
            InputError: The table holds nothing for it.
        """
        frame = self.frame
        chosen = frame[
            (frame["dataset"] == dataset) & (frame["split"] == split) & (frame["epochs"] == epochs)
        ]
        if chosen.empty:
            held = frame[["dataset", "split", "epochs"]].drop_duplicates()
            kinds = "; ".join(f"{d} {s} {e} epochs" for d, s, e in held.itertuples(index=False))
            raise InputError(
                f"{self.source} has no {split} accuracy of {dataset} after {epochs} epochs; "
                f"it has: {kinds}"
            )
        values = chosen.groupby("arch", observed=True)["accuracy"].mean().sort_index()
        if set(chosen["seed"]) == {MEAN_OF_SEEDS}:
            seeds = "mean over the source's training seeds"
        else:
            counts = chosen.groupby("arch", observed=True).size()
            low, high = int(counts.min()), int(counts.max())
            seeds = f"mean over {low if low == high else f'{low} to {high}'} training seeds"
        protocol = f"{self.benchmark} {dataset}, {split} accuracy after {epochs} epochs, {seeds}"
        return Accuracies(values, f"{protocol}; source: {self.source}", self.source)


_REMEDY = "the file is damaged or of another kind: fetch or import it again"
