"""The lines under a table that say what its figures rest on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from benchmarks.truth import Accuracies, available
from benchmarks.types import Benchmark
from harness.evaluation.evaluate import Agreement, agreement
from harness.evaluation.retraining import between_seeds
from harness.proxies import PROXIES
from harness.report.tables import input_title
from harness.scores.names import is_imported
from harness.scoring.engine import Request


def batch_line(request: Request) -> str:
    """Images in the batch, with the proxies that have another."""
    others = [f"{name} {size}" for name, size in request.batch_sizes.items()]
    return ", ".join([str(request.batch_size), *others])


def inputs_line(request: Request) -> str:
    """Which proxies got which input."""
    by_input: dict[str, list[str]] = {}
    for name in request.proxies:
        by_input.setdefault(request.input_of(PROXIES[name]), []).append(name)
    return "; ".join(f"{input_title(k)}: {', '.join(v)}" for k, v in by_input.items())


def imported_lines(names: Iterable[str]) -> list[str]:
    """Which scores came from somebody else's file."""
    imported = list(filter(is_imported, names))
    return [f"imported, scored by others: {', '.join(imported)}"] if imported else []


def ndcg_line(evaluation: pd.DataFrame) -> str:
    """How the nDCG of an evaluation was computed."""
    ps = ", ".join(str(int(p)) for p in sorted(set(evaluation["ndcg_p"].dropna())))
    return f"nDCG at P = {ps}, gain 2^accuracy - 1, equal scores in seeded random order"


def ceiling_of(
    benchmark: Benchmark, dataset: str, truth: Accuracies, archs: Sequence[str]
) -> Agreement | None:
    """Agreement of the truth with another training of the same architectures, if there is one.

    A table of the user's own has other images or epochs than the benchmark's: it is compared with
    itself, seed by seed.
    """
    if truth.repeats is not None:
        return between_seeds(truth.repeats, truth.source, archs)
    for found in available(benchmark, dataset):
        if found.table.trainings != truth.trainings:
            return agreement(truth, found.accuracies(), archs)
    return None


def ceiling_line(ceiling: Agreement) -> str:
    """The retraining ceiling."""
    tau, low, high = ceiling.tau
    return (
        f"retraining ceiling: two trainings of the same {ceiling.n:,} architectures agree at "
        f"tau {tau:.3f} [{low:.3f}, {high:.3f}] ({' / '.join(ceiling.sources)})"
    )
