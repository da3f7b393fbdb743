"""Ground truth and images on this machine: what there is, fetched, imported, compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks import BENCHMARKS, data
from benchmarks.errors import InputError
from benchmarks.truth import TruthTable, resolve
from benchmarks.types import ids_of
from harness.evaluation.evaluate import Agreement, agreement
from harness.pipelines.progress import Meter


def sources() -> pd.DataFrame:
    """Every source of ground truth; a space without accuracies has a row without a source."""
    rows = []
    for name in BENCHMARKS:
        if not BENCHMARKS[name].truths:
            rows.append((name, "", "a space without accuracies", "-", "-"))
        for truth in BENCHMARKS[name].truths:
            path = truth.find()
            if path is None:
                rows.append((name, truth.name, f"not here; {truth.remedy}", "-", "-"))
                continue
            table = truth.load(path)
            rows.append((name, truth.name, str(path), f"{table.size()[0]:,}", _contents(table)))
    return pd.DataFrame(rows, columns=["benchmark", "truth", "where", "architectures", "holds"])


def _contents(table: TruthTable) -> str:
    lines = []
    for dataset, part in table.kinds().groupby("dataset", observed=True):
        for epochs, trained in part.groupby("epochs"):
            splits = ", ".join(sorted(set(trained["split"])))
            seeds = ", ".join(sorted(set(trained["seed"])))
            lines.append(f"{dataset}: {splits} @ {epochs} ({seeds})")
    return "\n".join(lines)


def images() -> pd.DataFrame:
    """Every image set."""
    from benchmarks.inputs import IMAGE_SETS  # noqa: PLC0415 - torch takes seconds

    rows = []
    for each in IMAGE_SETS.values():
        found = each.find()
        rows.append((each.name, f"not here; {each.remedy}" if found is None else str(found)))
    return pd.DataFrame(rows, columns=["images", "where"])


@dataclass(frozen=True)
class Fetched:
    """A downloaded file, and whether there is a published hash that it was checked against."""

    path: Path
    checked: bool


def fetch(name: str, *, progress: bool) -> dict[str, Fetched]:
    """Download what a benchmark or a source names; see `harness.api.fetch`."""
    of_benchmark = {each: BENCHMARKS[each].fetches for each in BENCHMARKS}
    return {
        source: Fetched(data.fetch(source, progress=progress), bool(data.sources()[source].hash))
        for source in of_benchmark.get(name, (name,))
    }


def import_official(
    benchmark: str, path: Path, out: Path | None, console: Console
) -> tuple[TruthTable, Path]:
    """Turn an official file into a compact table; see `harness.api.import_official`."""
    chosen = BENCHMARKS[benchmark]
    if chosen.import_official is None or chosen.keep is None:
        raise InputError(f"{chosen.name} has no official accuracies, so there is nothing to import")
    with Meter(console, "reading") as meter:
        started = False

        def progress(done: int, total: int) -> None:
            nonlocal started
            if not started:
                meter.start(total)
                started = True
            meter.reach(done)

        table = chosen.import_official(path, progress)
    return table, chosen.keep(table, out)


def agree(
    benchmark: str, dataset: str, set_name: str | None, first: str, second: str
) -> tuple[Agreement, list[str]]:
    """Agreement of two trainings; see `harness.api.agreement`."""
    chosen = BENCHMARKS[benchmark]
    chosen.space.dataset(dataset)
    one, other = (resolve(chosen, name, dataset) for name in (first, second))
    if one.trainings == other.trainings:
        raise InputError(
            f"{one.source} and {other.source} are the same trainings; "
            f"another is needed: harness data fetch {benchmark}"
        )
    found = agreement(one, other, ids_of(chosen.space, set_name or chosen.space.sets[0]))
    return found, [one.protocol, other.protocol]
