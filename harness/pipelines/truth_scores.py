"""Accuracies of short trainings as the scores of a proxy: "train a little"."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import BENCHMARKS, own
from benchmarks.data import replacing
from benchmarks.errors import InputError
from harness.scores import exchange
from harness.scores.exchange import ScoreFile
from harness.scores.exchange.score_file import COLUMNS


@dataclass(frozen=True)
class Scored:
    """What was written.

    Attributes:
        scores: Score file in the form of NAS-Bench-Suite-Zero.
        archs: List of its architectures, one a line.
        benchmark: Whose they are.
        dataset: What the scores are held against.
        count: Architectures.
        failed: Of these, without a score.
    """

    scores: Path
    archs: Path
    benchmark: str
    dataset: str
    count: int
    failed: int


def write(table: Path, out: Path, *, name: str, dataset: str | None, seed: int | None) -> Scored:
    """See `harness.api.truth_scores`."""
    if out.suffix != ".json":
        raise InputError(f"cannot write scores to {out}: the name must end in .json")
    held = own.read(table)
    benchmark = BENCHMARKS[held.benchmark]
    held = own.read_of(benchmark, table)
    space = benchmark.space
    of = space.dataset(dataset or held.dataset).name
    if of not in space.datasets:
        raise InputError(
            f"there are no accuracies of {of} to hold {table} against; name a dataset with "
            f"--dataset: {', '.join(space.datasets)}"
        )
    frame = held.frame[held.frame["split"] == held.split]
    if seed is not None:
        frame = frame[frame["seed"] == str(seed)]
        if frame.empty:
            seeds = ", ".join(sorted(set(held.frame["seed"])))
            raise InputError(f"{table} has no training with seed {seed}; its seeds: {seeds}")
    rows: list[tuple[str, str, float, float, str]] = []
    for arch, own_rows in frame.groupby("arch", sort=False):
        bad = bool((own_rows["failure"] != "").any())
        score = float("nan") if bad else float(own_rows["accuracy"].mean())
        seconds = float(own_rows["seconds"].sum())
        rows.append((str(arch), name, score, seconds, "error" if bad else "ok"))
    scores = ScoreFile(of, pd.DataFrame(rows, columns=list(COLUMNS)), pd.Series(dtype=float))
    count = exchange.write_json(scores, out, space)
    archs = out.with_suffix(".txt")
    with replacing(archs) as temporary:
        temporary.write_text("".join(f"{row[0]}\n" for row in rows), encoding="utf-8")
    failed = sum(row[-1] != "ok" for row in rows)
    return Scored(out, archs, benchmark.name, of, count, failed)
