"""`harness check`: the regression check on proxies, of this repository or somebody else's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.errors import InputError
from harness import api
from harness.cli import options as opt
from harness.cli.console import console


def check(
    proxies: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy", help="May be repeated; takes --baseline [default: all built-in proxies]"
        ),
    ] = None,
    proxy_file: opt.ProxyFiles = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Baseline file [default: the one of the built-in proxies]")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Write the baseline")] = False,
    workers: opt.Workers = None,
) -> None:
    """Score 64 cells and compare scores and tau with a baseline; exit with 2 where any moved."""
    opt.use_proxy_files(proxy_file)
    if os.environ.get("HARNESS_PROXY_FILES") and not proxies:
        console.print(
            "Proxies of --proxy-file and HARNESS_PROXY_FILES are not in this check; name them "
            "with --proxy, and a --baseline of their own."
        )
    found = api.check(
        proxies or (),
        baseline=baseline,
        update=update,
        workers=workers,
        progress=console,
        on_difference=lambda line: console.print(f"  {line}", highlight=False, markup=False),
    )
    moved = len(found.differences)
    if update:
        what = f"{moved} changes" if moved else "nothing changed"
        what = "new" if found.before is None else what
        console.print(f"{found.path} written: {what}", soft_wrap=True)
        return
    if moved and found.before is not None:
        again = "make check UPDATE=1" if baseline is None else "the same command with --update"
        raise InputError(
            f"{moved} differences from {found.path} (written with torch {found.before.torch}, "
            f"this is {found.measured.torch}); if they are meant, run: {again}"
        )
    console.print(
        f"{len(found.measured.columns)} proxies and parts and {len(found.measured.aggregates)} "
        f"aggregates on {found.measured.protocol.cells} cells: scores and tau as in {found.path}",
        soft_wrap=True,
    )
