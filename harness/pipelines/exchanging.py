"""Scores to and from files that others use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import BENCHMARKS
from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies, resolve
from benchmarks.types import Benchmark
from harness.scores import exchange
from harness.scores.exchange import ScoreFile
from harness.scores.frames import chosen_records, export_frame
from harness.scores.store import Store

#: What a suffix means where no form is asked for, and the suffixes that each form may have.
_FORMS = {".csv": "table", ".parquet": "table", ".json": "suite-zero"}
_SUFFIXES = {"table": (".csv", ".parquet"), "suite-zero": (".json",), "suite-zero-csv": (".csv",)}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        rows: Rows, or architectures in the suite-zero forms.
        proxies: How many.
        left_out: Proxies that were scored with other contents of their file.
    """

    rows: int
    proxies: int
    left_out: Sequence[str]


def export(
    path: Path,
    *,
    benchmark: str,
    dataset: str,
    form: str | None,
    proxies: Sequence[str],
    batch_size: int | None,
    input: str | None,  # noqa: A002 - the option's name
    seed: int | None,
    truth: str | None,
    store: Path,
) -> Exported:
    """Write the store's scores to a file; see `harness.api.export_scores`."""
    chosen_form = form or _FORMS.get(path.suffix)
    if form is not None and form not in _SUFFIXES:
        raise InputError(f"unknown form {form!r}; known: {', '.join(_SUFFIXES)}")
    if chosen_form is None or path.suffix not in _SUFFIXES[chosen_form]:
        suffixes = (".csv", ".parquet", ".json") if form is None else _SUFFIXES[form]
        raise InputError(
            f"cannot export to {path}: the name must end in {', '.join(suffixes[:-1])}"
            f"{' or ' if suffixes[1:] else ''}{suffixes[-1]}"
        )
    chosen = BENCHMARKS[benchmark]
    accuracies = None if truth is None else resolve(chosen, truth, dataset)
    if chosen_form != "table":
        ours, left_out = _ours(
            store, chosen, dataset, batch_size, input, seed, proxies=proxies, truth=accuracies
        )
        write = exchange.write_json if chosen_form == "suite-zero" else exchange.write_csv
        return Exported(write(ours, path, chosen.space), len(ours.proxies), left_out)
    with existing(store) as opened:
        frame = export_frame(
            opened, benchmark, dataset, batch_size=batch_size, input=input, proxies=proxies
        )
    if seed is not None:
        frame = frame[frame["seed"] == seed]
    if accuracies is not None:
        known = frame["arch"].map(accuracies.values).astype(float)
        frame.insert(3, accuracy_name(accuracies.split), known)
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
    scored = [name for name in frame.columns if name.endswith("_seconds")]
    return Exported(len(frame), len(scored), frame.attrs["left_out"])


def accuracy_name(split: str) -> str:
    """What accuracies of a split are called in a file; test accuracy is no `val_accuracy`.

    >>> accuracy_name("x-valid"), accuracy_name("ori-test"), accuracy_name("train")
    ('val_accuracy', 'test_accuracy', 'train_accuracy')
    """
    kind = split.rpartition("-")[2]
    return f"{'val' if kind == 'valid' else kind or 'val'}_accuracy"


def existing(store: Path) -> Store:
    """The store, which must be there."""
    if not store.is_file():
        raise InputError(
            f"there is no score store {store}; make one with harness score, or name another with "
            "--store"
        )
    return Store(store)


def _ours(
    store: Path,
    benchmark: Benchmark,
    dataset: str,
    batch_size: int | None,
    input: str | None,  # noqa: A002
    seed: int | None,
    *,
    proxies: Sequence[str] = (),
    truth: Accuracies | None = None,
) -> tuple[ScoreFile, list[str]]:
    """The store's scores in the form of a score file, and the proxies that are left out."""
    benchmark.space.dataset(dataset)
    with existing(store) as opened:
        records, left_out = chosen_records(
            opened, benchmark.name, dataset, batch_size=batch_size, input=input, proxies=proxies
        )
    values = None if truth is None else truth.values
    name = "val_accuracy" if truth is None else accuracy_name(truth.split)
    return exchange.of_records(records, dataset, values, seed, accuracy_name=name), left_out


def import_scores(
    file: Path, *, label: str | None, benchmark: str, dataset: str | None, store: Path
) -> pd.DataFrame:
    """Put a file's scores into the store; see `harness.api.import_scores`."""
    chosen = BENCHMARKS[benchmark]
    label = exchange.label_of(file, label)
    theirs = exchange.read(file, chosen.space, dataset)
    with Store(store) as opened:
        exchange.keep(theirs, opened, chosen.name, label, file)
    kept = theirs.frame.assign(proxy=theirs.frame["proxy"] + f"@{label}")
    kept.attrs["dataset"] = theirs.dataset
    return kept


def compare(
    file: Path,
    *,
    benchmark: str,
    dataset: str | None,
    batch_size: int | None,
    input: str | None,  # noqa: A002
    seed: int | None,
    truth: str | None,
    store: Path,
    out: Path | None = None,
) -> pd.DataFrame:
    """Rank agreement of the store with a file; see `harness.api.compare_scores`."""
    chosen = BENCHMARKS[benchmark]
    theirs = exchange.read(file, chosen.space, dataset)
    ours, _ = _ours(store, chosen, theirs.dataset, batch_size, input, seed)
    accuracies, said = _accuracies(chosen, theirs, truth, file)
    table = exchange.compare(ours, theirs, accuracies)
    table.attrs.update(dataset=theirs.dataset, accuracies=said)
    if out is not None:
        with replacing(out) as temporary:
            table.to_csv(temporary, index=False)
    return table


def _accuracies(
    benchmark: Benchmark, theirs: ScoreFile, truth: str | None, file: Path
) -> tuple[pd.Series[float] | None, str]:
    """The accuracies that both sides are held against, and where they are from."""
    try:
        found = resolve(benchmark, truth or "auto", theirs.dataset)
    except InputError as error:
        if truth is not None:
            raise
        if len(theirs.accuracies):
            return theirs.accuracies, f"accuracies: those of {file.name}"
        return None, f"without accuracies: {error}"
    return found.values, f"accuracies: {found.protocol}"
