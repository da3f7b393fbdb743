"""`harness eval`: score what is missing, evaluate against trained accuracies, report."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import typer

from harness import api, paths
from harness.cli import options as opt
from harness.cli.console import console, show_lines, show_table


def evaluate(
    proxies: opt.Proxies,
    aggregate: Annotated[
        list[str] | None,
        typer.Option(help="An aggregate of your own, [NAME=]log-rank(a,b.part,c) or rank(...)"),
    ] = None,
    benchmark: opt.BenchmarkName = "nasbench201",
    dataset: Annotated[
        str | None,
        typer.Option(
            help="cifar10, cifar100, ... [default: that of your own truth table, or the "
            "benchmark's first]"
        ),
    ] = None,
    set_name: opt.SetName = None,
    sample: opt.Sample = None,
    sample_seed: opt.SampleSeed = 0,
    archs: opt.Archs = None,
    seed: opt.Seed = 0,
    seeds: opt.Seeds = 1,
    input_name: opt.InputName = "auto",
    batch_size: opt.BatchSize = "64",
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    store: opt.StoreFile = None,
    retry_failed: opt.RetryFailed = False,
    truth: opt.TruthName = "auto",
    split: Annotated[
        str | None,
        typer.Option(help="x-valid, test, train ... [default: what the source counts as final]"),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Epochs the accuracies were trained for [default: the full training]"),
    ] = None,
    drop_diverged: opt.DropDiverged = False,
    against: Annotated[
        str | None, typer.Option(help="Also the paired difference of each proxy to this one")
    ] = None,
    min_tau: Annotated[
        float | None, typer.Option(help="Exit with 1 where a named proxy's tau is below")
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Leave out what else the store holds of the same cells")
    ] = False,
    out: opt.Out = None,
    force: opt.Force = False,
    label: Annotated[
        str, typer.Option(help="Subfolder, for another evaluation of the same dataset")
    ] = "",
    ndcg_p: Annotated[int | None, typer.Option(min=1, help="P of the nDCG")] = None,
    resamples: opt.Resamples = 1000,
    proxy_file: opt.ProxyFiles = None,
) -> None:
    """Score what is missing, evaluate against trained accuracies, report."""
    opt.use_proxy_files(proxy_file)
    formulas = [opt.formula(text) for text in aggregate or ()]
    named = [*proxies, *formulas]
    compared = [] if against is None or against in named else [against]
    dataset = api.dataset_of(benchmark=benchmark, truth=truth, dataset=dataset)
    folder = paths.evaluation_folder(out or paths.SCRATCH, benchmark, dataset, label)
    result = api.evaluate(
        [*named, *compared], benchmark=benchmark, dataset=dataset, set=set_name, sample=sample,
        sample_seed=sample_seed, archs=archs, seed=seed, seeds=seeds, input=input_name,
        batch_size=batch_size, workers=workers, device=device, store=store,
        retry_failed=retry_failed, truth=truth, split=split, epochs=epochs,
        drop_diverged=drop_diverged, ndcg_p=ndcg_p, resamples=resamples, held=not only,
        against=against, out=folder, force=force or out is None, progress=console,
    )  # fmt: skip
    rows, left_out = result.cells()
    show_table(f"{result.title}, {result.facts['set']}", rows)
    show_lines([line for line in (left_out, *result.protocol) if line])
    if against is not None:
        show_table(f"difference to {against}, paired", result.comparison_cells(against))
    console.print(
        f"Scores: {paths.store_file(store)}\nWritten to {folder}: evaluation (.md, .csv, .tex), "
        f"{', '.join(result.figures)} (.png, .svg, .pdf), scores.parquet",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    taus = result.table.set_index("proxy")["kendall_tau"].reindex(result.labels(named))
    if min_tau is not None:
        _require(taus, min_tau)
    if taus.isna().all():
        console.print("none of the named has a ranking", highlight=False)
        raise typer.Exit(1)


def _require(taus: pd.Series[float], least: float) -> None:
    """Exit with 1 where a tau is below, or there is none."""
    low = [
        f"{name} {'(no ranking)' if pd.isna(tau) else f'{tau:.3f}'}"
        for name, tau in taus.items()
        if not tau >= least
    ]
    if low:
        console.print(f"tau below {least:g}: {', '.join(low)}", highlight=False, markup=False)
        raise typer.Exit(1)
