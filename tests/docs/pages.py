"""What the pages show, run: their code, their commands, and the output that stands below them.

A page is run from top to bottom in one folder and one namespace:

- a `python` block is executed; one whose first line is `# name.py` is written to that file;
- in a `console` block, every `$ harness ...` is run; it must exit with 0;
- lines of a `console` block below a command, and a `text` block that follows a `python` block,
  are the expected output; `...` stands for anything;
- a comment `<!-- not run: reason -->` before a block says that it is only to be read.

    python -m tests.docs.pages docs/quickstart.md
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]*?) -->\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$",
    re.M | re.S,
)
_FILE = re.compile(r"# (\w+\.py)\n")
_OUTPUT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        kind: "python", "console", "text" ...
        body: What it holds.
        line: Of the page, where the body begins.
        reason: Why it is not run; empty: it is.
    """

    kind: str
    body: str
    line: int
    reason: str


@dataclass(frozen=True)
class Command:
    """A command of a console block, with the output that is shown below it."""

    words: list[str]
    output: str


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            match["kind"],
            match["body"],
            text.count("\n", 0, match.start("body")) + 1,
            match["reason"] or "",
        )
        for match in _BLOCK.finditer(text)
    ]


def commands(body: str) -> Iterator[Command]:
    """Commands of a console block."""
    for part in re.split(r"^\$ ", body, flags=re.M)[1:]:  # a backslash continues a line
        line, _, output = part.replace("\\\n", " ").partition("\n")
        yield Command(shlex.split(line), output)


def has_something_to_run(page: Path) -> bool:
    """Whether a page has a block that is run."""
    return any(b.kind in ("python", "console") and not b.reason for b in blocks(page))


def run(page: Path) -> None:
    """Run a page in the current folder.

    Raises:
        AssertionError: A command failed, or the output is another.
        Exception: Whatever a block raises.
    """
    # As a module's, so that what is defined on a page can be found by its name.
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.reason:
            continue
        if block.kind == "console":
            for command in commands(block.body):
                _check(_run(command, where), command.output, f"{where}: {command.words}")
        elif block.kind == "text" and printed:
            _check(printed, block.body, where)
        named = _FILE.match(block.body) if block.kind == "python" else None
        printed = ""
        if named is not None:
            Path(named[1]).write_text(block.body, encoding="utf-8")
        elif block.kind == "python":
            printed = _execute(block, page, namespace)


def _execute(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    """What a block prints. It stands in its lines of the page, for messages and inspect."""
    code = compile("\n" * (block.line - 1) + block.body, str(page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return printed.getvalue()


def _run(command: Command, where: str) -> str:
    assert command.words[0] == "harness", f"{where}: only harness is run, not {command.words}"
    done = subprocess.run(
        [sys.executable, "-m", *command.words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{where}: {command.words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _check(got: str, expected: str, where: str) -> None:
    if expected.strip():
        same = doctest.OutputChecker().check_output(expected.strip(), got.strip(), _OUTPUT)
        assert same, f"{where}: the page shows\n{expected}\nbut it is\n{got}"


def environment(folder: Path) -> dict[str, str]:
    """Variables for a page: what a newcomer has, who downloaded nothing."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")}
    return kept | {
        "COLUMNS": "100",
        "MPLBACKEND": "agg",
        "HARNESS_STORE": str(folder / "scores.sqlite"),
        "HARNESS_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
    }


if __name__ == "__main__":
    run(Path(sys.argv[1]))
