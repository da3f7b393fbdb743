"""`harness search`: let proxies search, then ask for the true accuracy of what they found."""

from __future__ import annotations

from typing import Annotated

import typer

from harness import api, paths
from harness.cli import options as opt
from harness.cli.console import console, show_lines, show_table

Limit = float | None


def search(
    proxies: Annotated[
        list[str],
        typer.Argument(help="Proxies, parts, aggregates, formulas; or random, a number drawn"),
    ],
    space: Annotated[
        str, typer.Option("--space", "--benchmark", help="nasbench201, mobilenetv2, ...")
    ] = "nasbench201",
    dataset: opt.DatasetName = "cifar10",
    algorithms: Annotated[
        list[str] | None,
        typer.Option("--algorithm", help="evolution, aging, random, local; may be repeated"),
    ] = None,
    iterations: Annotated[
        int, typer.Option(min=1, help="Evaluations of each search; published: 100000")
    ] = 1000,
    population: Annotated[
        int, typer.Option(min=2, help="Architectures that compete; published: 1024")
    ] = 100,
    max_flops: Annotated[Limit, typer.Option(help="Multiply-adds at most, e.g. 450e6")] = None,
    max_params: Annotated[Limit, typer.Option(help="Parameters at most")] = None,
    max_layers: Annotated[Limit, typer.Option(help="Layers at most, as the space counts")] = None,
    seed: Annotated[int, typer.Option(help="First seed of the searches; published: 123")] = 123,
    seeds: opt.Seeds = 1,
    score_seed: Annotated[int, typer.Option(help="Seed of weights and batch of all scores")] = 0,
    input_name: opt.InputName = "auto",
    batch_size: opt.BatchSize = "64",
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    store: opt.StoreFile = None,
    out: opt.Out = None,
    force: opt.Force = False,
    truth: opt.TruthName = "auto",
    proxy_file: opt.ProxyFiles = None,
) -> None:
    """Search with each proxy and algorithm; run again, it goes on where it stopped."""
    opt.use_proxy_files(proxy_file)
    folder = paths.search_folder(out or paths.SCRATCH, space, dataset)
    result = api.search(
        proxies, space=space, dataset=dataset, algorithm=algorithms or ["evolution"],
        iterations=iterations, population=population, max_flops=max_flops, max_params=max_params,
        max_layers=max_layers, seed=seed, seeds=seeds, score_seed=score_seed, input=input_name,
        batch_size=batch_size, workers=workers, device=device, store=store, truth=truth,
        out=folder, force=force, progress=console,
    )  # fmt: skip
    show_table(result.title, result.cells(narrow=True), text_columns=2)
    show_lines(result.protocol)
    console.print(
        f"Scores: {paths.store_file(store)}\nWritten to {folder}: search (.md, .csv, .png, .svg, "
        f".pdf), trajectory (.parquet, .csv), winners/ ({len(result.winners)})",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
