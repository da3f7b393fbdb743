"""Score files into the store, and records of the store as one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmarks.errors import InputError
from harness.scores.exchange.score_file import COLUMNS, NAME, ScoreFile
from harness.scores.names import IMPORTED, imported_key
from harness.scores.store import Record, Store


def of_records(
    records: Iterable[Record],
    dataset: str,
    accuracies: pd.Series[float] | None = None,
    seed: int | None = None,
    *,
    accuracy_name: str = "val_accuracy",
) -> ScoreFile:
    """Records of the store in the form of a score file, which has one score a pair.

    Args:
        records: Of one benchmark and dataset, one protocol and version a proxy. Imported ones
            are left out; parts of a proxy become `<proxy>.<part>`.
        dataset: Their dataset.
        accuracies: In percent, by architecture id; those of other architectures are dropped.
        seed: Whose scores; default: the only one there is.
        accuracy_name: What the accuracies are called in the file.

    Raises:
        InputError: There are no such records, or several seeds and none is chosen.
    """
    own = [record for record in records if record.key.input != IMPORTED]
    seeds = sorted({record.key.seed for record in own})
    if seed is None and len(seeds) > 1:
        raise InputError(
            f"there are scores of the seeds {', '.join(map(str, seeds))}, and such a file holds "
            "one score a proxy; choose one with --seed"
        )
    own = [record for record in own if seed in (None, record.key.seed)]
    if not own:
        raise InputError(
            f"the store holds no scores of {dataset}"
            + (f" with seed {seed}; its seeds: {', '.join(map(str, seeds))}" if seeds else "")
            + "; make some with harness score"
        )
    rows: list[tuple[str, str, float, float, str]] = []
    for record in sorted(own, key=lambda r: (r.key.arch, r.key.proxy)):
        for name, value in sorted(record.columns().items()):
            score = math.nan if value is None else value
            status = record.status if name == record.key.proxy else "ok"  # parts are finite
            rows.append((record.key.arch, name, score, record.seconds, status))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    if accuracies is None:
        accuracies = pd.Series(dtype=float)
    known = accuracies[accuracies.index.isin(frame["arch"])]
    return ScoreFile(dataset, frame, known, accuracy_name)


def label_of(path: Path, label: str | None) -> str:
    """The label under which a file's scores are kept: the one given, or the file's name.

    Raises:
        InputError: It has characters that names cannot have.
    """
    chosen = label if label is not None else re.sub(r"[\s@,|~]", "_", path.stem)
    if not NAME.fullmatch(chosen) or not chosen.isprintable():
        raise InputError(
            f"{chosen[:100]!r} cannot be a label: 1 to 100 characters, no blanks, none of @ , | ~; "
            "choose another --label"
        )
    return chosen


def keep(scores: ScoreFile, store: Store, benchmark: str, label: str, origin: Path) -> list[str]:
    """Put a file's scores into the store, as proxies called `<proxy>@<label>`.

    Args:
        scores: What the file holds.
        store: Written, in one transaction.
        benchmark: Whose architectures they are.
        label: See `label_of`.
        origin: The file, for the records.

    Returns:
        The names.

    Raises:
        InputError: The store has other scores under one of these names.
    """
    records = []
    for arch, proxy, score, seconds, status in scores.frame.itertuples(index=False):
        records.append(
            Record(
                imported_key(benchmark, scores.dataset, arch, f"{proxy}@{label}"),
                float(score) if status == "ok" else None,
                status=status,
                message="" if status != "error" else f"no score in {origin.name}",
                seconds=0.0 if math.isnan(seconds) else float(seconds),
                device="unknown",
                versions=f"imported from {origin.name}",
            )
        )
    names = list(dict.fromkeys(record.key.proxy for record in records))
    held = {
        record.key: (record.status, record.value)
        for record in store.records(benchmark=benchmark, dataset=scores.dataset, proxy=names)
    }
    for record in records:
        before = held.get(record.key, (record.status, record.value))
        if before != (record.status, record.value):
            raise InputError(
                f"{store.path} holds another {record.key.proxy} of {record.key.arch} "
                f"({before[1] if before[0] == 'ok' else before[0]}, in {origin} "
                f"{record.value if record.ok else record.status}); choose another --label"
            )
    store.add(records)
    return names
