"""Ground truth of NAS-Bench-201: one adapter a source, all into `benchmarks.tables.Table`.

Imported from an official file (`official`). Compact: `nats_bench.csv`. Embedded: the package
analog-nasbench.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

from benchmarks import data
from benchmarks.errors import InputError
from benchmarks.imported import ImportedTable
from benchmarks.nasbench201.architecture import Cell
from benchmarks.nasbench201.enumeration import SIZE, official_order
from benchmarks.nasbench201.official import NAME, TRAININGS
from benchmarks.readers import pickle
from benchmarks.tables import COLUMNS, MEAN_OF_SEEDS, Table
from benchmarks.types import TruthSource

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
        "nats_bench.csv (NATS-Bench topology, official trainings)", TRAININGS, frame, path
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
            entries = pickle.load(stream, path, stand_ins)
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


IMPORTED = ImportedTable(NAME, TRAININGS, lambda table: table.frame["arch"].nunique() == SIZE)

TRUTHS = (
    IMPORTED.official("download NATS-Bench's NATS-tss-v1_0-3ffb9-simple"),
    TruthSource(
        "compact",
        lambda: data.first_found("nats_bench.csv"),
        read_compact,
        "harness data fetch nats_bench",
        suffix=".csv",
    ),
    TruthSource("analog", _analog_file, read_analog, "pip install analog-nasbench (CIFAR-10 only)"),
    IMPORTED.partial(),
)
