"""What the committed results say of a method: its tau, and what a score costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.errors import InputError
from harness import paths

BENCHMARK = "nasbench201"
DATASET = "cifar10"
_TABLE = {"dataset", "method", "kendall_tau", "kendall_tau_low", "kendall_tau_high", "n", "truth"}
_COST = {"dataset", "method", "n", "milliseconds", "device"}


@dataclass(frozen=True)
class Measured:
    """Figures of one method.

    Attributes:
        tau: Kendall's tau with accuracy.
        low: Of its 95 % interval.
        high: Of its 95 % interval.
        n: Architectures.
        batch: Images in the batch; empty where none are looked at.
        input: What images.
        trained_on: Architectures that a model was trained on; 0 of a proxy.
        milliseconds: Of a score of one architecture; None where it is not known.
    """

    tau: float
    low: float
    high: float
    n: int
    batch: str
    input: str
    trained_on: int
    milliseconds: float | None


@dataclass(frozen=True)
class Figures:
    """Figures of all methods, and what they rest on."""

    methods: dict[str, Measured]
    file: Path
    truth: str
    device: str


def read(results: Path) -> Figures:
    """Figures of the first paper's table of NAS-Bench-201, from its folder of committed results.

    Args:
        results: The folder `results` of the repository.

    Raises:
        InputError: No table is there.
    """
    folder = results / BENCHMARK
    # Papers differ in their set of architectures; the benchmark's first is the one to show.
    first = paths.tables_folder(results, BENCHMARK)
    files = sorted(_having(folder, _TABLE), key=lambda file: (file.parent != first, file))
    if not files:
        raise InputError(
            f"there is no paper's table in {folder}: no CSV file with the columns "
            f"{', '.join(sorted(_TABLE))}; write one with harness tables --out {results}"
        )
    rows = _rows(files[0])
    costs = {}
    device = ""
    for file in _having(files[0].parent, _COST, pattern="*.csv"):
        table = _rows(file)
        # A row may be named with its batch: te_nas (batch 32).
        costs = dict(zip(table["method"].str.split(" ").str[0], table["milliseconds"], strict=True))
        device = ", ".join(sorted(set(table["device"].dropna())))
    methods = {str(row["method"]): _measured(row, costs) for _, row in rows.iterrows()}
    return Figures(methods, files[0], ", ".join(sorted(set(rows["truth"]))), device)


def _having(folder: Path, columns: set[str], pattern: str = "*/*.csv") -> Iterator[Path]:
    for file in folder.glob(pattern):
        if columns <= set(pd.read_csv(file, nrows=0).columns):
            yield file


def _rows(file: Path) -> pd.DataFrame:
    rows = pd.read_csv(file, dtype={"batch": str})
    return rows[rows["dataset"] == DATASET]


def _measured(row: pd.Series, costs: dict[str, float]) -> Measured:
    return Measured(
        tau=float(row["kendall_tau"]),
        low=float(row["kendall_tau_low"]),
        high=float(row["kendall_tau_high"]),
        n=int(row["n"]),
        batch="" if pd.isna(row["batch"]) else str(row["batch"]),
        input=str(row["input"]),
        trained_on=0 if pd.isna(row["trained_on"]) else int(row["trained_on"]),
        milliseconds=costs.get(str(row["method"])),
    )
