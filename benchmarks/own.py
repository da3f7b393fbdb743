"""Truth tables that `harness truth make` writes: accuracies of networks that a user trained.

A CSV file of one row a training and split, below lines that say what it holds:

    # harness truth table 1
    # benchmark: nasbench201
    # dataset: images-32-10
    # split: val
    # epochs: 12
    # protocol: how the networks were trained, in words
    # data: the images, in words
    # identity: digest of protocol and data; tables of another one are other trainings
    # agreement: of two trainings of the same architectures, where there are several seeds
    arch,dataset,epochs,split,seed,accuracy,seconds,failure

A training that failed has no accuracy, but the reason. Architectures with such a training are left
out of what is ranked: the mean of the trainings that went well would be one of another experiment.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.tables import COLUMNS, Accuracies, Table
from benchmarks.types import Benchmark

FIRST_LINE = "# harness truth table 1"
#: Columns of a file: those of every table, wall time of the training, why there is no accuracy.
FILE_COLUMNS = (*COLUMNS, "seconds", "failure")

_KEYS = ("benchmark", "dataset", "split", "epochs", "protocol", "data", "identity", "agreement")
_MAX_BYTES = 1 << 28
_REMEDY = "write it again with harness truth make"
_DIGITS = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class OwnTable:
    """The content of such a file.

    Attributes:
        benchmark: Whose architectures.
        dataset: The benchmark's dataset key.
        split: The split that counts as final.
        epochs: Of every training.
        protocol: In words.
        data: The images, in words.
        identity: Digest of what identifies the trainings.
        frame: Columns `FILE_COLUMNS`; `accuracy` in percent, NaN where `failure` is a reason.
        agreement: Of the trainings with one another, in words; "": there is one of each.
    """

    benchmark: str
    dataset: str
    split: str
    epochs: int
    protocol: str
    data: str
    identity: str
    frame: pd.DataFrame
    agreement: str = ""

    @property
    def failed(self) -> dict[str, str]:
        """Reasons why trainings failed, the first of each architecture, by its id."""
        rows = self.frame[self.frame["failure"] != ""].drop_duplicates("arch")
        return dict(zip(rows["arch"], rows["failure"], strict=True))

    def repeats(self, split: str | None = None) -> pd.DataFrame:
        """Accuracies of the architectures of which no training failed.

        Returns:
            A row an architecture, a column a seed; NaN where it was not trained with that seed.
        """
        good = ~self.frame["arch"].isin(self.failed) & (
            self.frame["split"] == (split or self.split)
        )
        return self.frame[good].pivot(index="arch", columns="seed", values="accuracy").sort_index()

    def accuracies(self, origin: str, split: str | None = None) -> Accuracies:
        """Ground truth of the table.

        Args:
            origin: What the source is called.
            split: Default: the final one.

        Raises:
            InputError: There is no such split, or no accuracy.
        """
        known = self.frame[~self.frame["arch"].isin(self.failed)]
        source = f"{origin}, trained here"
        table = Table(self.benchmark, source, f"own {self.identity}", known[list(COLUMNS)])
        chosen = split or self.split
        if known.empty:
            raise InputError(f"{origin}: every architecture has a failed training; none is ranked")
        found = table.accuracies(self.dataset, chosen, self.epochs)
        notes = [f"trained by {self.protocol}", f"images: {self.data}"]
        if self.failed:
            reason = next(iter(self.failed.values()))
            notes.append(
                f"left out: {len(self.failed):,} architectures with a failed training ({reason})"
            )
        return Accuracies(
            found.values, found.protocol, source, found.trainings, found.lowest, chosen,
            repeats=self.repeats(chosen), notes=tuple(notes),
        )  # fmt: skip


def is_own(name: str) -> bool:
    """Whether a text is the path of a file that begins as such a table does."""
    try:
        with Path(name).open("rb") as stream:
            return stream.readline(len(FIRST_LINE) + 2).strip() == FIRST_LINE.encode()
    except (OSError, ValueError):  # no file, a folder, or no path at all
        return False


def write(table: OwnTable, path: Path) -> None:
    """Write a table; whole or not at all.

    Raises:
        InputError: The file cannot be written.
    """
    said = [f"# {key}: {_line(getattr(table, key))}" for key in _KEYS if getattr(table, key) != ""]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.write("\n".join([FIRST_LINE, *said]) + "\n")
        table.frame.assign(failure=table.frame["failure"].map(_line)).to_csv(
            stream, index=False, columns=list(FILE_COLUMNS), lineterminator="\n"
        )


def _line(value: object) -> str:
    return " ".join(str(value).split())


def read(path: Path) -> OwnTable:
    """Read and check a table, apart from the names of architectures.

    Raises:
        InputError: The file cannot be read, is no such table, or something in it is malformed.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise InputError(f"{path} has {size:,} bytes, more than any truth table; {_REMEDY}")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the truth table {path}: {error}; {_REMEDY}") from error
    lines = text.splitlines()
    if not lines or lines[0].strip() != FIRST_LINE:
        raise InputError(f"{path} is no truth table: its first line must be {FIRST_LINE!r}")
    leading = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    said = _said(path, lines[1:leading])
    frame = _frame(path, "\n".join(lines[leading:]))
    if not _DIGITS.fullmatch(said["epochs"]):
        raise InputError(f"{path}: epochs {said['epochs']!r} is no number; {_REMEDY}")
    table = OwnTable(frame=frame, **{**said, "epochs": int(said["epochs"])})  # type: ignore[arg-type]
    _check_kinds(path, table)
    good = frame[frame["failure"] == ""]
    Table(table.benchmark, path.name, "", good).validated(path)
    return table


def _said(path: Path, lines: list[str]) -> dict[str, str]:
    """What the leading lines say."""
    said: dict[str, str] = {}
    for line in lines:
        key, colon, words = line.lstrip("# ").partition(":")
        if not colon or key not in _KEYS or key in said:
            raise InputError(
                f"{path}: {line[:100]!r} should be one of "
                f"{', '.join(f'# {known}: ...' for known in _KEYS)}, each once; {_REMEDY}"
            )
        said[key] = words.strip()
    for key in _KEYS[:-1]:
        if not said.get(key):
            raise InputError(f"{path} has no line '# {key}: ...'; {_REMEDY}")
    return said


def _frame(path: Path, text: str) -> pd.DataFrame:
    """The rows, each cell of its type."""
    try:
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path} is damaged: {error}; {_REMEDY}") from error
    if tuple(frame.columns) != FILE_COLUMNS:
        raise InputError(f"{path}: expected the columns {', '.join(FILE_COLUMNS)}; {_REMEDY}")
    if frame.empty:
        raise InputError(f"{path} has no row; {_REMEDY}")
    failed = frame["failure"] != ""
    both = frame[failed & (frame["accuracy"] != "")]
    if len(both):
        row = both.iloc[0]
        raise InputError(
            f"{path}: {row['arch']}, seed {row['seed']}, has both an accuracy and a failure; "
            f"{_REMEDY}"
        )
    accuracy = pd.to_numeric(frame["accuracy"], errors="coerce")
    # What is no number stays as it is written, so that the check of every table names it.
    frame["accuracy"] = accuracy.where(accuracy.notna() | failed, frame["accuracy"])
    seconds = pd.to_numeric(frame["seconds"], errors="coerce")
    timeless = frame[~((seconds >= 0) & (seconds < np.inf))]
    if len(timeless):
        row = timeless.iloc[0]
        raise InputError(f"{path}: seconds {row['seconds']!r} of {row['arch']} are no time")
    epochs = frame["epochs"].map(lambda cell: int(cell) if _DIGITS.fullmatch(cell) else -1)
    return frame.assign(seconds=seconds, epochs=epochs)


def _check_kinds(path: Path, table: OwnTable) -> None:
    """See that all rows are of the one protocol that the leading lines say."""
    frame = table.frame
    strange = frame[(frame["dataset"] != table.dataset) | (frame["epochs"] != table.epochs)]
    if len(strange):
        row = strange.iloc[0]
        raise InputError(
            f"{path}: a row of {row['arch']} is of {row['dataset']} and {row['epochs']} epochs, "
            f"the table of {table.dataset} and {table.epochs}; {_REMEDY}"
        )
    if table.split not in set(frame["split"]):
        raise InputError(f"{path} has no row of its split {table.split}; {_REMEDY}")


def read_of(benchmark: Benchmark, path: Path) -> OwnTable:
    """Read and check a table of a benchmark's architectures.

    Raises:
        InputError: As `read`; or it is of another benchmark, or an architecture is unknown or not
            named as the space does.
    """
    table = read(path)
    if table.benchmark != benchmark.name:
        raise InputError(
            f"{path} is a table of {table.benchmark}, not of {benchmark.name}; "
            f"name it with --benchmark {table.benchmark}"
        )
    try:
        benchmark.space.dataset(table.dataset)
        ids = {arch: benchmark.space.parse(arch).id for arch in table.frame["arch"].unique()}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    for arch, own in ids.items():
        if arch != own:
            raise InputError(f"{path}: the architecture {arch} is called {own}; rename it")
    return table


def truth(
    benchmark: Benchmark, path: Path, dataset: str, split: str | None, epochs: int | None
) -> Accuracies:
    """Ground truth from such a file; see `benchmarks.truth.resolve`.

    Raises:
        InputError: The file is damaged, or of another benchmark, dataset or protocol.
    """
    table = read_of(benchmark, path)
    if benchmark.space.dataset(dataset).name != table.dataset:
        raise InputError(
            f"{path} is a table of {table.dataset}, not of {dataset}; name it with --dataset "
            f"{table.dataset}, or leave --dataset out"
        )
    if epochs is not None and epochs != table.epochs:
        raise InputError(
            f"{path} has accuracies after {table.epochs} epochs, not {epochs}; leave --epochs out"
        )
    return table.accuracies(path.name, split)
