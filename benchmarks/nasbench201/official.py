"""The official files of NAS-Bench-201 and NATS-Bench, streamed into a table.

NATS-Bench's folder of one bz2 pickle a cell, its full single file, NAS-Bench-201's single .pth
files and archives.
"""

from __future__ import annotations

import bz2
import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from benchmarks.nasbench201.enumeration import SIZE, official_order
from benchmarks.readers import archives, pickle
from benchmarks.tables import COLUMNS, Table

NAME = "nasbench201"
TRAININGS = "NAS-Bench-201"

Progress = Callable[[int, int], None]

_TSS_FILE = re.compile(r"(\d{6})\.pickle\.pbz2")
_ARCHIVE_FILE = re.compile(r"(\d{6})-FULL\.pth")


class _Collector:
    """Gathers rows in columns of plain numbers; a million rows are 30 MB."""

    def __init__(self, origin: Path) -> None:
        self.origin = origin
        self._codes: dict[str, dict[str, int]] = {c: {} for c in ("dataset", "split", "seed")}
        self._columns = {
            name: array("i") for name in ("arch", "dataset", "epochs", "split", "seed")
        }
        self._accuracy = array("d")
        self.cells: set[int] = set()

    def state(self, state: dict[Any, Any], origin: Path | str | None = None) -> None:
        """Add the final accuracies of one cell under one training budget.

        Args:
            state: As in the official files: `arch_index`, `arch_str`, `all_results`.
            origin: The file, where it is not the collector's own.
        """
        origin = origin or self.origin
        index, text = int(state["arch_index"]), str(state["arch_str"])
        if not 0 <= index < SIZE or official_order()[index].id != text:
            raise InputError(
                f"{origin}: cell {index} is given as {text}, which is not the official order; "
                "the file is damaged or of another benchmark, download it again"
            )
        self.cells.add(index)
        for (dataset, seed), result in state["all_results"].items():
            epochs = int(result["epochs"])
            last = epochs - 1
            self._row(index, dataset, epochs, "train", seed, result["train_acc1es"][last])
            for split in result["eval_names"]:
                accuracy = result["eval_acc1es"].get(f"{split}@{last}")
                if accuracy is not None:
                    self._row(index, dataset, epochs, split, seed, accuracy)

    def _row(
        self, index: int, dataset: str, epochs: int, split: str, seed: int, accuracy: float
    ) -> None:
        values = {"arch": index, "epochs": epochs}
        for column, text in (("dataset", dataset), ("split", split), ("seed", str(seed))):
            codes = self._codes[column]
            values[column] = codes.setdefault(text, len(codes))
        for column, value in values.items():
            self._columns[column].append(value)
        self._accuracy.append(float(accuracy))

    def table(self) -> Table:
        """Everything gathered.

        Raises:
            InputError: Nothing was.
        """
        if not self.cells:
            raise InputError(
                f"{self.origin} holds no architecture; expected the folder "
                "NATS-tss-v1_0-3ffb9-simple or a file NAS-Bench-201-v1_*.pth"
            )
        columns: dict[str, Any] = {
            name: np.frombuffer(codes, dtype=np.int32) for name, codes in self._columns.items()
        }
        frame = pd.DataFrame({"epochs": columns["epochs"], "accuracy": np.array(self._accuracy)})
        archs = [cell.id for cell in official_order()]
        frame["arch"] = pd.Categorical.from_codes(columns["arch"], pd.Index(archs))
        for name, codes in self._codes.items():
            frame[name] = pd.Categorical.from_codes(columns[name], pd.Index(list(codes)))
        count = "" if len(self.cells) == SIZE else f", {len(self.cells)} of {SIZE} cells"
        source = f"{self.origin.name} (official{count})"
        return Table(NAME, source, TRAININGS, frame[list(COLUMNS)]).validated(self.origin)


def import_official(path: Path, progress: Progress = lambda done, total: None) -> Table:
    """Final accuracies of every training run in an official file, in bounded memory.

    Args:
        path: The folder `NATS-tss-v1_0-3ffb9-simple` (or its full single file), a file
            `NAS-Bench-201-v1_*.pth`, or the folder of its archive (`NNNNNN-FULL.pth`).
        progress: Called with (done, total), in files or bytes.

    Returns:
        Splits `train`, `x-valid`, `x-test`, `ori-test` after 12 and 200 epochs, each seed.

    Raises:
        InputError: The file is none of these, damaged, or not in the official order.
    """
    collector = _Collector(path)
    try:
        if path.is_dir():
            _import_folder(path, collector, progress)
        elif path.is_file():
            _import_file(path, collector, progress)
        else:
            raise InputError(f"{path} does not exist; name an official NAS-Bench-201 file")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}; download it again") from error
    return collector.table()


def _import_folder(path: Path, collector: _Collector, progress: Progress) -> None:
    files = sorted(
        each
        for each in path.iterdir()
        if _TSS_FILE.fullmatch(each.name) or _ARCHIVE_FILE.fullmatch(each.name)
    )
    for number, file in enumerate(files, start=1):
        if _TSS_FILE.fullmatch(file.name):
            with bz2.open(file) as stream:
                states = pickle.load(stream, file)
            _consume_states(states, file, collector)
        else:
            _import_file(file, collector, lambda done, total: None)
        progress(number, len(files))


def _consume_states(states: Any, file: Path, collector: _Collector) -> None:
    try:
        for budget in ("12", "200"):
            collector.state(states[budget], file)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{file} lacks what an official file holds ({type(error).__name__}: {error}); "
            "download it again"
        ) from error


def _import_file(path: Path, collector: _Collector, progress: Progress) -> None:
    total = path.stat().st_size

    with path.open("rb") as raw:

        def consume(filled: dict[Any, Any]) -> bool:
            if not {"arch_index", "arch_str", "all_results"} <= filled.keys():
                return False
            collector.state(filled, path)
            progress(raw.tell(), total)
            return True

        for stream in archives.pickles(path, raw):
            pickle.stream_dictionaries(stream, path, consume)
    progress(total, total)
