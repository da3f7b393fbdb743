"""`harness data ...`: fetching, importing and looking at ground truth; shared output helpers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks import BENCHMARKS, data
from benchmarks.errors import InputError
from benchmarks.truth import TruthTable, resolve
from benchmarks.types import ids_of

#: Wide where there is no terminal to measure: tables are piped and logged whole.
console = Console(width=None if Console().is_terminal else 200)
error_console = Console(stderr=True)
data_app = typer.Typer(help="Ground truth: fetch, import, look at.", no_args_is_help=True)


def show_table(title: str, rows: Sequence[Sequence[str]], text_columns: int = 1) -> None:
    """Print a table; columns after the first `text_columns` are figures."""
    heading, *body = rows
    table = RichTable(title=title, title_justify="left", header_style="bold")
    for number, name in enumerate(heading):
        table.add_column(
            name, justify="left" if number < text_columns else "right", overflow="fold"
        )
    for row in body:
        table.add_row(*row)
    console.print(table)


@data_app.command()
def fetch(
    names: Annotated[
        list[str],
        typer.Argument(help="A benchmark or a source: nasbench201, nats_bench, cifar10 ..."),
    ],
) -> None:
    """Download files into the cache; the hash is checked, where one is published."""
    benchmarks = {name: BENCHMARKS[name].fetches for name in BENCHMARKS}
    for name in names:
        if benchmarks.get(name) == ():
            console.print(f"{name}: nothing to fetch")
        for source in benchmarks.get(name, (name,)):
            path = data.fetch(source, progress=console.is_terminal)
            console.print(f"{source}: {path}", soft_wrap=True)
            if not data.sources()[source].hash:
                console.print("  no hash is published for it; it is checked when it is imported")


@data_app.command("import")
def import_command(
    benchmark: Annotated[str, typer.Argument(help="nasbench201, ...")],
    path: Annotated[Path, typer.Argument(help="Official file or folder")],
    out: Annotated[
        Path | None, typer.Option(help="Written instead of the cache's table (.parquet)")
    ] = None,
) -> None:
    """Turn an official benchmark file into a compact table, once."""
    from harness.cli.progress import Meter

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
    target = chosen.keep(table, out)
    console.print(f"{_summary(table)}\nWritten to {target}", soft_wrap=True)


def _summary(table: TruthTable) -> str:
    architectures, accuracies = table.size()
    return f"{architectures:,} architectures, {accuracies:,} accuracies from {table.source}"


@data_app.command()
def info() -> None:
    """What ground truth and images are on this machine, and how to get the rest."""
    from benchmarks.inputs import IMAGE_SETS

    for name in BENCHMARKS:
        if not BENCHMARKS[name].truths:
            console.print(f"{name}: a space without accuracies\n")
            continue
        rows = [["truth", "where", "architectures", "dataset: splits @ epochs (trainings)"]]
        for truth in BENCHMARKS[name].truths:
            path = truth.find()
            if path is None:
                rows.append([truth.name, f"not here; {truth.remedy}", "-", "-"])
                continue
            table = truth.load(path)
            rows.append([truth.name, str(path), f"{table.size()[0]:,}", _contents(table)])
        show_table(name, rows, text_columns=4)
    rows = [["images", "where"]]
    for images in IMAGE_SETS.values():
        found = images.find()
        rows.append([images.name, f"not here; {images.remedy}" if found is None else str(found)])
    show_table("inputs", rows, text_columns=2)


def _contents(table: TruthTable) -> str:
    lines = []
    for dataset, part in table.kinds().groupby("dataset", observed=True):
        for epochs, trained in part.groupby("epochs"):
            splits = ", ".join(sorted(set(trained["split"])))
            seeds = ", ".join(sorted(set(trained["seed"])))
            lines.append(f"{dataset}: {splits} @ {epochs} ({seeds})")
    return "\n".join(lines)


@data_app.command()
def agreement(
    benchmark: Annotated[str, typer.Option(help="Benchmark")] = "nasbench201",
    dataset: Annotated[str, typer.Option(help="Dataset")] = "cifar10",
    set_name: Annotated[str | None, typer.Option("--set", help="Architecture set")] = None,
    first: Annotated[str, typer.Option(help="One truth")] = "auto",
    second: Annotated[str, typer.Option(help="Another")] = "analog",
) -> None:
    """How far two trainings of the same architectures agree: the ceiling of any proxy."""
    from harness.evaluation.evaluate import agreement as measure

    chosen = BENCHMARKS[benchmark]
    chosen.space.dataset(dataset)
    one, other = (resolve(chosen, name, dataset) for name in (first, second))
    if one.trainings == other.trainings:
        raise InputError(
            f"{one.source} and {other.source} are the same trainings; "
            f"another is needed: harness data fetch {benchmark}"
        )
    set_name = set_name or chosen.space.sets[0]
    found = measure(one, other, ids_of(chosen.space, set_name))
    rows = [["", "value", "95 % interval"]]
    for label, (value, low, high) in (("Kendall tau", found.tau), ("Spearman", found.spearman)):
        rows.append([label, f"{value:.3f}", f"[{low:.3f}, {high:.3f}]"])
    show_table(f"{benchmark} {dataset}, {set_name}, n = {found.n:,}", rows)
    console.print(f"  {one.protocol}\n  {other.protocol}", highlight=False, soft_wrap=True)
