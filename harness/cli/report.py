"""`harness report`: draw and write results again, from their folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import api
from harness.cli.console import console


def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that harness eval, search or tables wrote")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Written instead of the folder; of one folder only")
    ] = None,
) -> None:
    """Write tables and figures of a result again, without scoring or evaluating."""
    if out is not None and (len(folders) > 1 or len(_results(folders[0])) > 1):
        raise typer.BadParameter("--out takes the place of one folder; name one")
    for folder in [each for named in folders for each in _results(named)]:
        written = api.load(folder).write(out or folder, force=True)
        console.print(
            f"{out or folder}: {', '.join(sorted({path.name for path in written}))}",
            soft_wrap=True, highlight=False,
        )  # fmt: skip


def _results(named: Path) -> list[Path]:
    """The folder itself, or those below it that hold results."""
    if (named / "result.json").is_file():
        return [named]
    return sorted(path.parent for path in named.rglob("result.json")) or [named]
