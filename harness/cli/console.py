"""Where the command line speaks, and how it shows tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

#: Where there is no terminal to measure, tables have the width that reports are written for.
_WIDTH = 100

console = Console(width=None if Console().is_terminal else _WIDTH)
error_console = Console(stderr=True)


def show_table(title: str, rows: Sequence[Sequence[str]], text_columns: int = 1) -> None:
    """Print a table; columns after the first `text_columns` are figures.

    Args:
        title: Above it.
        rows: The heading, then the rows; plain text, in which brackets are brackets.
        text_columns: Aligned to the left.
    """
    heading, *body = rows
    table = Table(
        title=escape(title),
        title_justify="left",
        header_style="bold",
        pad_edge=False,
        padding=(0, 1),
    )
    for number, name in enumerate(heading):
        table.add_column(
            escape(name), justify="left" if number < text_columns else "right", overflow="fold"
        )
    for row in body:
        table.add_row(*map(escape, row))
    console.print(table)


def show_lines(lines: Sequence[str]) -> None:
    """Print lines of a protocol, indented and unmarked."""
    for line in lines:
        console.print(f"  {line}", highlight=False, markup=False)
