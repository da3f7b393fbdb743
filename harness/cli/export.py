"""`harness export`: the store's scores to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness import api
from harness.cli import options as opt
from harness.cli.console import console


def export(
    path: Annotated[Path, typer.Argument(help="Written; .csv, .parquet or .json")],
    proxies: Annotated[
        list[str] | None,
        typer.Option("--proxy", help="Only this one; may be repeated [default: all in the store]"),
    ] = None,
    store: opt.StoreFile = None,
    benchmark: opt.BenchmarkName = "nasbench201",
    dataset: opt.DatasetName = "cifar10",
    batch_size: Annotated[int | None, typer.Option(help="Only scores with this batch size")] = None,
    input_name: Annotated[
        str | None, typer.Option("--input", help="Only scores with this input")
    ] = None,
    form: Annotated[
        Literal["table", "suite-zero", "suite-zero-csv"] | None,
        typer.Option(
            help="table: a row an architecture and seed; suite-zero: JSON of NAS-Bench-Suite-Zero; "
            "suite-zero-csv: net,net_str,<proxies> [default: by the name; .json is suite-zero]"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Only this seed; suite-zero holds one [default: the only one]"),
    ] = None,
    truth: Annotated[str | None, typer.Option(help="Accuracies to add: auto, official ...")] = None,
    proxy_file: opt.ProxyFiles = None,
) -> None:
    """Write the store's scores to a file: a table, or the forms of NAS-Bench-Suite-Zero."""
    opt.use_proxy_files(proxy_file)
    done = api.export_scores(
        path, benchmark=benchmark, dataset=dataset, form=form, proxies=proxies or (),
        batch_size=batch_size, input=input_name, seed=seed, truth=truth, store=store,
    )  # fmt: skip
    console.print(f"{done.rows:,} rows, {done.proxies} proxies in {path}", soft_wrap=True)
    if done.left_out:
        console.print(
            f"Left out, scored with other contents of the proxy file: {', '.join(done.left_out)}"
        )
