"""The command `harness`: one thin file a command, each calls the Python API and shows the rest."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from benchmarks.errors import InputError
from harness.cli import (
    build,
    check,
    compare,
    data,
    export,
    import_scores,
    listing,
    report,
    score,
    search,
    tables,
    train,
    truth,
)
from harness.cli import eval as eval_command
from harness.cli.console import console, error_console

app = typer.Typer(
    help="Measure how well training-free proxies rank architectures.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("eval")(eval_command.evaluate)
app.command()(score.score)
app.command()(tables.tables)
app.command()(search.search)
app.command()(train.train)
app.command()(build.build)
app.command()(report.report)
app.command()(check.check)
app.command()(export.export)
app.command()(import_scores.import_scores)
app.command()(compare.compare)
app.add_typer(listing.app, name="list")
app.add_typer(data.app, name="data")
app.add_typer(truth.app, name="truth")


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"harness {importlib.metadata.version('nas-proxy-harness')}", highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version"),
    ] = False,
) -> None:
    """Measure how well training-free proxies rank architectures."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Wrong input: one message on standard error, exit code 2."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="harness")
    except InputError as error:
        error_console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
