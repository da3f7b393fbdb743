"""`harness data ...`: fetching, importing and looking at ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import api
from harness.cli import options as opt
from harness.cli.console import console, show_lines, show_table

app = typer.Typer(help="Ground truth: fetch, import, look at.", no_args_is_help=True)


@app.command()
def fetch(
    names: Annotated[
        list[str],
        typer.Argument(help="A benchmark or a source: nasbench201, nats_bench, cifar10 ..."),
    ],
) -> None:
    """Download files into the cache; the hash is checked, where one is published."""
    for name in names:
        found = api.fetch(name, progress=console.is_terminal)
        if not found:
            console.print(f"{name}: nothing to fetch")
        for source, file in found.items():
            console.print(f"{source}: {file.path}", soft_wrap=True)
            if not file.checked:
                console.print("  no hash is published for it; it is checked when it is imported")


@app.command("import")
def import_command(
    benchmark: Annotated[str, typer.Argument(help="nasbench201, ...")],
    path: Annotated[Path, typer.Argument(help="Official file or folder")],
    out: Annotated[
        Path | None, typer.Option(help="Written instead of the cache's table (.parquet)")
    ] = None,
) -> None:
    """Turn an official benchmark file into a compact table, once."""
    table, target = api.import_official(benchmark, path, out=out, progress=console)
    architectures, accuracies = table.size()
    console.print(
        f"{architectures:,} architectures, {accuracies:,} accuracies from {table.source}\n"
        f"Written to {target}",
        soft_wrap=True,
    )


@app.command()
def info() -> None:
    """What ground truth and images are on this machine, and how to get the rest."""
    for name, rows in api.list_truths().groupby("benchmark", sort=False):
        if not rows["truth"].any():
            console.print(f"{name}: a space without accuracies\n")
            continue
        heading = ["truth", "where", "architectures", "dataset: splits @ epochs (trainings)"]
        body = rows.drop(columns="benchmark").to_numpy().tolist()
        show_table(str(name), [heading, *body], text_columns=4)
    found = api.list_images()
    show_table("inputs", [list(found.columns), *found.to_numpy().tolist()], text_columns=2)


@app.command()
def agreement(
    benchmark: opt.BenchmarkName = "nasbench201",
    dataset: opt.DatasetName = "cifar10",
    set_name: opt.SetName = None,
    first: Annotated[str, typer.Option(help="One truth")] = "auto",
    second: Annotated[str, typer.Option(help="Another")] = "analog",
) -> None:
    """How far two trainings of the same architectures agree: the ceiling of any proxy."""
    found, protocols = api.agreement(
        benchmark=benchmark, dataset=dataset, set=set_name, first=first, second=second
    )
    rows = [["", "value", "95 % interval"]]
    for label, (value, low, high) in (("Kendall tau", found.tau), ("Spearman", found.spearman)):
        rows.append([label, f"{value:.3f}", f"[{low:.3f}, {high:.3f}]"])
    show_table(f"{benchmark} {dataset}, {set_name or 'default set'}, n = {found.n:,}", rows)
    show_lines(protocols)
