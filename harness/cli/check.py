"""`harness check`: the regression check on proxies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.errors import InputError
from harness.cli.data import console
from harness.cli.options import Workers


def check_command(
    update: Annotated[bool, typer.Option("--update", help="Rewrite the baseline")] = False,
    baseline: Annotated[
        Path | None, typer.Option(help="Baseline file [default: results/check/baseline.json]")
    ] = None,
    workers: Workers = None,
) -> None:
    """Score 64 cells with every proxy and compare scores and tau with the baseline."""
    from harness.cli.progress import Meter
    from harness.pipelines import check

    path = baseline or check.BASELINE
    before = check.read(path) if path.is_file() or not update else None
    with Meter(console, "checking", "scores") as meter:
        measured = check.measure(
            check.Protocol(),
            workers=workers,
            on_start=lambda total, stored: meter.start(total),
            on_record=lambda record: meter.advance(),
        )
    moved = [] if before is None else check.differences(before, measured)
    for line in moved:
        console.print(f"  {line}", highlight=False, markup=False)
    if update:
        check.write(measured, path)
        what = "new" if before is None else f"{len(moved)} changes" if moved else "nothing changed"
        console.print(f"{path} written: {what}")
        return
    assert before is not None
    if moved:
        raise InputError(
            f"{len(moved)} differences from {path} (written with torch {before.torch}, this is "
            f"{measured.torch}); if they are meant, run: make check UPDATE=1"
        )
    console.print(
        f"{len(measured.columns)} proxies and parts and {len(measured.aggregates)} aggregates on "
        f"{measured.protocol.cells} cells: scores and tau as in {path}"
    )
