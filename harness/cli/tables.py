"""`harness tables`: a paper's table regenerated beside the published figures."""

from __future__ import annotations

from typing import Annotated

import typer

from harness import api, paths
from harness.cli import options as opt
from harness.cli.console import console, show_lines, show_table


def tables(
    benchmark: opt.BenchmarkName = "nasbench201",
    paper: Annotated[
        str | None, typer.Option(help="Key of the paper [default: the benchmark's first]")
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option("--dataset", help="May be repeated [default: all with published figures]"),
    ] = None,
    set_name: opt.SetName = None,
    sample: opt.Sample = None,
    sample_seed: opt.SampleSeed = 0,
    seed: opt.Seed = 0,
    seeds: opt.Seeds = 1,
    batch_size: opt.BatchSize = "64",
    store: opt.StoreFile = None,
    out: opt.Out = None,
    force: opt.Force = False,
    score: Annotated[
        bool, typer.Option(help="Score what is missing; else only closed forms, and show the rest")
    ] = True,
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    truth: opt.TruthName = "auto",
    drop_diverged: opt.DropDiverged = False,
    resamples: opt.Resamples = 1000,
) -> None:
    """Regenerate a paper's table: every method beside the published figures."""
    folder = paths.tables_folder(out or paths.SCRATCH, benchmark, paper)
    result = api.tables(
        benchmark=benchmark, paper=paper, datasets=datasets or (), set=set_name, sample=sample,
        sample_seed=sample_seed, seed=seed, seeds=seeds, batch_size=batch_size, workers=workers,
        device=device, store=store, score=score, truth=truth, drop_diverged=drop_diverged,
        resamples=resamples, out=folder, force=force or out is None, progress=console,
    )  # fmt: skip
    for dataset, protocol in result.protocol.items():
        show_table(f"{result.published.source}, {dataset}", result.cells(dataset), 2)
        further = result.further_cells(dataset)
        if further[1:]:
            show_table(f"not in the paper, {dataset}", further)
        show_lines(protocol)
    console.print(result.verdict, markup=False, highlight=False)
    console.print(
        f"Scores: {paths.store_file(store)}\nWritten to {folder}: {result.published.key} (.md, "
        f".csv, .tex), correlation, cost (.md, .csv), {', '.join(result.figures)} (.png, .svg, "
        ".pdf)",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
