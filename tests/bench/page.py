"""What was measured, as lines for a terminal and as Markdown for `docs/speed.md`."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from tests.bench.proxies import GROUP, Measured, Row

HEAD = ("proxy", "ms", "wall", "forwards", "floor", "x", "counted", "literal", "MB")
COMPARED = ("ms before", "faster", "forwards before", "MB before", "values")


def machine() -> str:
    """Processor and library, in words."""
    model = platform.processor() or platform.machine()
    path = Path("/proc/cpuinfo")
    if path.exists():
        named = re.search(r"model name\s*:\s*(.+)", path.read_text())
        model = named[1].strip() if named else model
    return f"{model}, {os.cpu_count()} cores, torch {torch.__version__}"


def cells(row: Row, *, compared: bool) -> list[str]:
    """The figures of a row, under `HEAD` and `COMPARED`; empty where there is none."""
    now, before = row.now, row.before
    if now is None:
        return [row.name, *[""] * (len(HEAD) - 1 + compared * len(COMPARED))]
    written = [
        row.name,
        _ms(now.ms),
        _ms(now.wall),
        f"{now.forwards:.2f}",
        "" if row.floor is None else f"{row.floor:.4g}",
        f"{now.forwards / row.floor:.2f}" if row.floor else "",
        "" if row.arithmetic is None else f"{row.arithmetic:.4g}",
        "" if row.literal is None else f"{row.literal:.1f}",
        "" if now.memory is None else f"{now.memory:,.0f}",
    ]
    if compared and before is None:
        written += [""] * len(COMPARED)
    elif compared and before is not None:
        written += [
            _ms(before.ms),
            f"{before.ms / now.ms:.2f}",
            f"{before.forwards:.2f}",
            "" if before.memory is None else f"{before.memory:,.0f}",
            "equal" if row.difference == 0 else f"{row.difference:.0e}",
        ]
    return written


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"


def explained(row: Row) -> str:
    """The reason of a row's floor, or why it has no figures."""
    if row.error:
        return f"not scored: {row.error.splitlines()[0]}"
    if row.apart is not None and row.now is not None:
        return f"with networks and batches; one by one {_ms(row.apart)} ms"
    return row.reason


def heading(compared: bool) -> str:
    """The line above the lines."""
    return line([*HEAD, *(COMPARED if compared else ())], "why the floor")


def line(written: Sequence[str], reason: str) -> str:
    """One row for the terminal."""
    first, *rest = written
    heads = [*HEAD, *COMPARED][1:]
    right = [f"{cell:>{max(7, len(head))}}" for cell, head in zip(rest, heads, strict=False)]
    return "  ".join([f"{first:15}", *right, reason])


def markdown(found: Measured, command: str) -> str:
    """A table, with what it was measured on."""
    setting, compared = found.plan.setting, found.plan.against is not None
    heads = [*HEAD, *(COMPARED if compared else ()), "floor counted as"]
    rows = [[*cells(row, compared=compared), explained(row)] for row in found.rows]
    names = [f"`{row.name}`" if row.name != GROUP else row.name for row in found.rows]
    rows = [[name, *rest[1:]] for name, rest in zip(names, rows, strict=True)]
    ruler = [":---", *["---:"] * (len(heads) - 2), ":---"]
    body = [_row(heads), _row(ruler), *map(_row, rows)]
    code = f"Commit {found.versions[0]}"
    if compared:
        code += f", compared with {found.versions[1]} in turn within the same run"
    kept = [row.now.forward for row in found.rows if row.now is not None]
    unit = f"; a forward pass of the batch takes {_ms(max(kept))} ms" if kept else ""
    return "\n".join(
        [
            f"`{command}`",
            "",
            f"{setting.space}, {setting.dataset}, {found.plan.cells} architectures, batch "
            f"{setting.batch_size}, {setting.device}{unit}. {code}. {machine()}.",
            "",
            *body,
        ]
    )


def _row(written: Sequence[str]) -> str:
    return f"| {' | '.join(written)} |"


def put(path: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- measured NAME -->` and `<!-- end -->` of a page.

    Raises:
        SystemExit: The page has no such place.
    """
    page = path.read_text(encoding="utf-8")
    place = re.compile(
        rf"(<!-- measured {re.escape(name)} -->\n).*?(\n?<!-- end -->)", flags=re.DOTALL
    )
    if not place.search(page):
        raise SystemExit(f"{path} has no line <!-- measured {name} --> with an <!-- end --> below")
    path.write_text(place.sub(lambda m: f"{m[1]}\n{text}\n\n<!-- end -->", page), encoding="utf-8")
