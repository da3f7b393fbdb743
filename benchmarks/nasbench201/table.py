"""Ground truth of NAS-Bench-201: one adapter a source, all into `benchmarks.truth.Table`.

Official files: NATS-Bench's folder of one bz2 pickle a cell, NAS-Bench-201's single .pth
files and archives. Compact: `nats_bench.csv`. Embedded: the package analog-nasbench.
"""

from __future__ import annotations

import bz2
import importlib.util
import re
import zipfile
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import data, unpickle
from benchmarks.errors import InputError
from benchmarks.nasbench201.architecture import Cell
from benchmarks.nasbench201.enumeration import SIZE, official_order
from benchmarks.tables import COLUMNS, MEAN_OF_SEEDS, Table
from benchmarks.types import TruthSource

NAME = "nasbench201"
_OFFICIAL = "NAS-Bench-201"

Progress = Callable[[int, int], None]

# ------------------------------------------------------------------ compact and embedded

#: Column of `nats_bench.csv` -> the dataset whose final test accuracy it is.
_COMPACT_COLUMNS = {
    "CIFAR10TestAccuracy200Epochs": ("cifar10", "ori-test"),
    "CIFAR100TestAccuracy200Epochs": ("cifar100", "x-test"),
    "ImageNetTestAccuracy200Epochs": ("ImageNet16-120", "x-test"),
}
_COMPACT_REMEDY = "fetch it again: harness data fetch nats_bench"


def read_compact(path: Path) -> Table:
    """`nats_bench.csv`: mean 200-epoch test accuracy of every cell on three datasets.

    Raises:
        InputError: A column or cell is missing, a cell stands twice or is malformed, an
            accuracy is no percentage.
    """
    try:
        raw = pd.read_csv(path, usecols=[*_COMPACT_COLUMNS, "ArchitectureString"])
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no nats_bench.csv: {error}; {_COMPACT_REMEDY}") from error
    archs = raw["ArchitectureString"].astype(str)
    _check_complete(archs, path, _COMPACT_REMEDY)
    frames = [
        pd.DataFrame({"arch": archs, "dataset": dataset, "split": split, "accuracy": raw[column]})
        for column, (dataset, split) in _COMPACT_COLUMNS.items()
    ]
    frame = pd.concat(frames, ignore_index=True).assign(epochs=200, seed=MEAN_OF_SEEDS)
    return _table(
        "nats_bench.csv (NATS-Bench topology, official trainings)", _OFFICIAL, frame, path
    )


def _check_complete(archs: pd.Series[str], path: Path, remedy: str) -> None:
    known = {cell.id for cell in official_order()}
    strange = archs[~archs.isin(known)]
    if not strange.empty:
        row = int(strange.index[0])
        raise InputError(
            f"{path}, data row {row + 1}: {strange.iloc[0]!r} is no NAS-Bench-201 cell "
            f"({len(strange)} such rows); {remedy}"
        )
    twice = archs[archs.duplicated()]
    if not twice.empty:
        row = int(twice.index[0])
        raise InputError(
            f"{path}, data row {row + 1}: cell {twice.iloc[0]} stands twice "
            f"({len(twice)} such rows); {remedy}"
        )
    if len(archs) != SIZE:
        held = set(archs)
        absent = next(cell.id for cell in official_order() if cell.id not in held)
        raise InputError(
            f"{path}: {SIZE - len(archs)} of {SIZE} cells are missing, "
            f"among them {absent}; {remedy}"
        )


class _AnalogEntry:
    """Stands for the classes of analog-nasbench; unpickling fills its attributes."""


def read_analog(path: Path) -> Table:
    """The data file of analog-nasbench: CIFAR-10 accuracy from an independent retraining.

    Raises:
        InputError: The file is damaged, or holds something else.
    """
    remedy = "reinstall the package analog-nasbench"
    stand_ins = {
        ("analognasbench.data", name): _AnalogEntry for name in ("Architecture", "DriftMeasurement")
    }
    try:
        with path.open("rb") as stream:
            entries = unpickle.load(stream, path, stand_ins)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}; {remedy}") from error
    try:
        archs = [Cell.from_suite_zero(codes).id for codes in entries]
        accuracies = [float(vars(entry)["baseline_accuracy"]) for entry in entries.values()]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not analog-nasbench's table: {error}; {remedy}") from error
    frame = pd.DataFrame({"arch": archs, "accuracy": accuracies})
    _check_complete(frame["arch"], path, remedy)
    frame = frame.assign(dataset="cifar10", split="ori-test", epochs=200, seed="analog")
    source = "analog-nasbench (independent retraining, embedded)"
    return _table(source, "analog-nasbench", frame, path)


def _analog_file() -> Path | None:
    spec = importlib.util.find_spec("analognasbench")  # finds the package, runs none of it
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / "data.anb").is_file():
            return Path(folder) / "data.anb"
    return None


def _table(source: str, trainings: str, frame: pd.DataFrame, origin: Path) -> Table:
    frame = frame[list(COLUMNS)]
    for column in ("arch", "dataset", "split", "seed"):
        frame = frame.assign(**{column: frame[column].astype("category")})
    return Table(NAME, source, trainings, frame).validated(origin)


# ------------------------------------------------------------------ official files

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
        return Table(NAME, source, _OFFICIAL, frame[list(COLUMNS)]).validated(self.origin)


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
                states = unpickle.load(stream, file)
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

        for stream in _pickles(path, raw):
            unpickle.stream_dictionaries(stream, path, consume)
    progress(total, total)


def _pickles(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """The pickle with the data: bz2, a zip of torch.save, or torch's older format."""
    magic = raw.read(4)
    raw.seek(0)
    if magic[:3] == b"BZh":
        with bz2.open(raw) as stream:
            yield stream
    elif magic == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(raw) as archive:
                name = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
                if name is None:
                    raise InputError(f"{path} is a zip file without data.pkl, so not torch's")
                with archive.open(name) as stream:
                    yield stream
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise InputError(f"{path} is damaged: {error}; download it again") from error
    else:
        # Three small pickles (magic number, protocol, system) precede the object.
        for _ in range(3):
            unpickle.load(raw, path)
        yield raw


# ------------------------------------------------------------------ the imported table

_SOURCE_KEY = b"nas-proxy-harness.source"


def write_parquet(table: Table, path: Path) -> None:
    """Write a table so that `read_parquet` gives it back; whole or not at all."""
    arrow = pa.Table.from_pandas(table.frame, preserve_index=False)
    metadata = {**(arrow.schema.metadata or {}), _SOURCE_KEY: table.source.encode()}
    with data.replacing(path) as temporary:
        pq.write_table(arrow.replace_schema_metadata(metadata), temporary, compression="zstd")


def read_parquet(path: Path) -> Table:
    """A table that `harness data import` wrote.

    Raises:
        InputError: The file is damaged or something else.
    """
    try:
        arrow = pq.read_table(path)
        frame = arrow.to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is no readable Parquet file: {error}; import it again") from error
    source = (arrow.schema.metadata or {}).get(_SOURCE_KEY, path.name.encode()).decode()
    return Table(NAME, source, _OFFICIAL, frame).validated(path)


def keep(table: Table, path: Path | None = None) -> Path:
    """Write an imported table where `harness` finds it again, or to `path`."""
    complete = table.frame["arch"].nunique() == SIZE
    target = path or imported_file(complete=complete)
    write_parquet(table, target)
    return target


def imported_file(*, complete: bool) -> Path:
    """Where `harness data import nasbench201` keeps its table."""
    kind = "official" if complete else "official-partial"
    return data.cache_folder() / f"{NAME}-{kind}.parquet"


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


TRUTHS = (
    TruthSource(
        "official",
        lambda: _existing(imported_file(complete=True)),
        read_parquet,
        "download NATS-Bench's NATS-tss-v1_0-3ffb9-simple, then: "
        "harness data import nasbench201 PATH",
        suffix=".parquet",
    ),
    TruthSource(
        "compact",
        lambda: data.first_found("nats_bench.csv"),
        read_compact,
        "harness data fetch nats_bench",
        suffix=".csv",
    ),
    TruthSource("analog", _analog_file, read_analog, "pip install analog-nasbench (CIFAR-10 only)"),
    TruthSource(
        "official-partial",
        lambda: _existing(imported_file(complete=False)),
        read_parquet,
        "harness data import nasbench201 PATH, of a part of the benchmark",
        automatic=False,
    ),
)
