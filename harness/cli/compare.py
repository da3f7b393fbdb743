"""`harness compare`: rank agreement of our scores with those in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.errors import InputError
from harness import api
from harness.cli import options as opt
from harness.cli.console import console, show_table

_HEADINGS = {
    "proxy": "proxy",
    "n": "n",
    "spearman": "Spearman",
    "kendall_tau": "Kendall tau",
    "n_accuracy": "n with accuracy",
    "tau_ours": "tau to accuracy: ours",
    "tau_theirs": "theirs",
}


def compare(
    file: Annotated[Path, typer.Argument(help="Score file: NAS-Bench-Suite-Zero .json, or .csv")],
    store: opt.StoreFile = None,
    benchmark: opt.BenchmarkName = "nasbench201",
    dataset: Annotated[
        str | None, typer.Option(help="Which dataset of the file [default: the only one]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Only scores with this batch size")] = None,
    input_name: Annotated[
        str | None, typer.Option("--input", help="Only scores with this input")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which seed [default: the only one]")] = None,
    truth: Annotated[
        str | None,
        typer.Option(help="auto, official ... [default: the best there is, else the file's own]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The table as .csv, besides")] = None,
    proxy_file: opt.ProxyFiles = None,
) -> None:
    """Rank agreement of our scores with those in a file, proxy by proxy."""
    if out is not None and out.suffix != ".csv":
        raise InputError(f"cannot write {out}: the name must end in .csv")
    opt.use_proxy_files(proxy_file)
    table = api.compare_scores(
        file, benchmark=benchmark, dataset=dataset, batch_size=batch_size, input=input_name,
        seed=seed, truth=truth, store=store, out=out,
    )  # fmt: skip
    rows = [[_HEADINGS[str(name)] for name in table.columns]]
    rows += [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    show_table(f"{benchmark} {table.attrs['dataset']}: ours and {file.name}", rows)
    if table.attrs["accuracies"]:
        console.print(
            f"  {table.attrs['accuracies']}", highlight=False, markup=False, soft_wrap=True
        )
    if out is not None:
        console.print(f"Written to {out}", soft_wrap=True)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if pd.isna(value) else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
