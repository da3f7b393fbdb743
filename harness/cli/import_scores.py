"""`harness import-scores`: somebody else's scores into the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import api
from harness.cli import options as opt
from harness.cli.console import console


def import_scores(
    file: Annotated[Path, typer.Argument(help="Score file: NAS-Bench-Suite-Zero .json, or .csv")],
    label: Annotated[
        str | None,
        typer.Option(help="The scores are kept as <proxy>@<label> [default: the file's name]"),
    ] = None,
    store: opt.StoreFile = None,
    benchmark: opt.BenchmarkName = "nasbench201",
    dataset: Annotated[
        str | None, typer.Option(help="Which dataset of the file [default: the only one]")
    ] = None,
) -> None:
    """Put somebody else's scores into the store; harness eval then takes <proxy>@<label>."""
    kept = api.import_scores(file, label=label, benchmark=benchmark, dataset=dataset, store=store)
    failed = int((kept["status"] != "ok").sum())
    names = ", ".join(dict.fromkeys(kept["proxy"]))
    console.print(
        f"{len(kept):,} scores of {kept['arch'].nunique():,} architectures on "
        f"{kept.attrs['dataset']}{f', {failed:,} of them failures' if failed else ''}: {names}",
        markup=False,
        soft_wrap=True,
    )
