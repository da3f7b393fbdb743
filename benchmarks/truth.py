"""Ground truth for a dataset: which of a benchmark's sources is taken, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import own
from benchmarks.errors import InputError
from benchmarks.tables import Accuracies, TruthTable
from benchmarks.types import Benchmark, TruthSource

__all__ = ["Accuracies", "Found", "TruthTable", "available", "resolve", "table_reader"]


def resolve(
    benchmark: Benchmark,
    name: str,
    dataset: str,
    split: str | None = None,
    epochs: int | None = None,
) -> Accuracies:
    """Ground truth for a dataset, from the source named or from the best there is.

    Args:
        benchmark: Whose.
        name: "auto", the name of a source, or the path of a table that one of them reads, or of
            one that `harness truth make` wrote (`benchmarks.own`), of any space.
        dataset: The benchmark's dataset key.
        split: Default: the source's final one.
        epochs: Training epochs; default: those of the dataset's full training, or of the table.

    Raises:
        InputError: The benchmark has no accuracies; the source is unknown, absent, damaged, or
            holds nothing for the protocol.
    """
    if own.is_own(name):
        return own.truth(benchmark, Path(name), dataset, split, epochs)
    if not benchmark.truths:
        raise InputError(
            f"{benchmark.name} has no accuracies to compare with: its networks were not trained; "
            "harness score and harness export take it, and harness truth make trains some"
        )
    task = benchmark.space.dataset(dataset)
    if name == "auto":
        for found in available(benchmark, dataset, split, epochs):
            return found.accuracies()
        ways = "; ".join(f"{t.name}: {t.remedy}" for t in benchmark.truths)
        raise InputError(
            f"no ground truth for {benchmark.name} {dataset}, {split or task.split}, "
            f"{epochs or task.epochs} epochs on this machine. To get one: {ways}"
        )
    by_name = {truth.name: truth for truth in benchmark.truths}
    if name in by_name:
        source, path = by_name[name], by_name[name].find()
        if path is None:
            raise InputError(f"there is no {name!r} ground truth here: {source.remedy}")
    else:
        source, path = table_reader(benchmark, name), Path(name)
    return _found(benchmark, source, path, dataset, split, epochs).accuracies()


def default_dataset(benchmark: Benchmark, name: str) -> str:
    """The dataset of ground truth that is named without one.

    Args:
        benchmark: Whose.
        name: As of `resolve`.

    Returns:
        That of a table of the user's own, else the benchmark's first.

    Raises:
        InputError: The table is damaged.
    """
    if own.is_own(name):
        return own.read(Path(name)).dataset
    return next(iter(benchmark.space.datasets))


def table_reader(benchmark: Benchmark, name: str) -> TruthSource:
    """The source that reads the table file `name`.

    Raises:
        InputError: There is no such file, or none of its kind is read.
    """
    by_suffix = {truth.suffix: truth for truth in benchmark.truths if truth.suffix}
    if Path(name).suffix not in by_suffix or not Path(name).is_file():
        known = ", ".join(truth.name for truth in benchmark.truths)
        raise InputError(
            f"unknown ground truth {name!r}; name one of auto, {known}, "
            f"or an existing {' or '.join(by_suffix)} table"
        )
    return by_suffix[Path(name).suffix]


@dataclass(frozen=True)
class Found:
    """A table, and the protocol that it is read under."""

    table: TruthTable
    dataset: str
    split: str
    epochs: int

    def accuracies(self) -> Accuracies:
        """Those of the protocol; `InputError` where the table holds none."""
        return self.table.accuracies(self.dataset, self.split, self.epochs)


def available(
    benchmark: Benchmark, dataset: str, split: str | None = None, epochs: int | None = None
) -> Iterator[Found]:
    """Tables on this machine that hold a protocol, the best first; loaded one by one.

    Arguments and errors as for `resolve`.
    """
    for source in benchmark.truths:
        path = source.find() if source.automatic else None
        if path is None:
            continue
        found = _found(benchmark, source, path, dataset, split, epochs)
        if found.table.holds(dataset, found.split, found.epochs):
            yield found


def _found(
    benchmark: Benchmark,
    source: TruthSource,
    path: Path,
    dataset: str,
    split: str | None,
    epochs: int | None,
) -> Found:
    task, table = benchmark.space.dataset(dataset), source.load(path)
    epochs = epochs or task.epochs
    splits = (split,) if split else source.splits or (task.split,)
    held = (each for each in splits if table.holds(dataset, each, epochs))
    return Found(table, dataset, next(held, splits[0]), epochs)
