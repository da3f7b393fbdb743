"""`harness report`: results from their folders alone, or trained models beside a paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import api, paths
from harness.cli import options as opt
from harness.cli.console import console, show_lines, show_table


def report(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDERS...",
            help="Folders of results; or a table of trained models: uninas, mobilenetv2",
        ),
    ],
    trained: Annotated[
        list[Path] | None,
        typer.Option(help="Of a table: folder with trainings, may be repeated "
                     "[default: results, harness-out]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Written instead of the folder; of one folder only")
    ] = None,
    force: opt.Force = False,
) -> None:  # fmt: skip
    """Write tables and figures again, without scoring, evaluating or training.

    Of a table's name: what was trained here beside what the paper reports.
    """
    if out is not None and (len(names) > 1 or len(_results(Path(names[0]))) > 1):
        raise typer.BadParameter("--out takes the place of one folder; name one")
    for name in names:
        if not _results(Path(name)) and not Path(name).is_dir():
            _table(name, trained or [], out, force=force)
            continue
        for folder in _results(Path(name)) or [Path(name)]:
            written = api.load(folder).write(out or folder, force=True)
            _say(out or folder, written)


def _results(named: Path) -> list[Path]:
    """The folder itself, or those below it, that hold results."""
    if (named / "result.json").is_file():
        return [named]
    return sorted(path.parent for path in named.rglob("result.json"))


def _table(name: str, trained: list[Path], out: Path | None, *, force: bool) -> None:
    result = api.trained_table(name, trained=trained)
    benchmark, key = (result.facts["identity"][part] for part in ("benchmark", "table"))
    folder = out or paths.trained_folder(paths.SCRATCH, benchmark, key)
    written = result.write(folder, force=force or out is None)
    for group in result.groups:
        show_table(f"{result.published.title}, {group}", result.cells(group))
    show_lines(result.legend)
    _say(folder, written)


def _say(folder: Path, written: list[Path]) -> None:
    console.print(
        f"{folder}: {', '.join(sorted({path.name for path in written}))}",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
