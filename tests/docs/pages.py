"""What the pages show, run: their code, their commands, and the output that stands below them.

A page is run from top to bottom in one folder and one namespace:

- a `python` block is executed; one whose first line is `# name.py` is written to that file;
- in a `console` block, every `$ harness ...` is run; it must exit with 0;
- lines of a `console` block below a command, and a `text` block that follows a `python` block, are
  the expected output; `...` stands for anything;
- a comment `<!-- not run: reason -->`, in MyST also `% not run: reason`, before a block says that
  it is only to be read;
- blocks of `SHOWN` are data; any other block fails, so that nothing is left out silently.

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

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
#: What is shown and cannot be run: data, settings, output.
SHOWN = ("text", "toml", "yaml", "json", "csv", "bibtex")
_EXCUSE = re.compile(r"(?:<!--|%) *not run: *(?P<reason>[^\n]*?) *(?:-->)?\s*$")
_DIRECTIVE = re.compile(r"\{([\w-]+)\} *(.*)")
#: Directives whose content is code in the language that they name; and those with blocks in them.
_CODE = ("code-block", "code", "sourcecode")
_PROSE = ("note", "tip", "warning", "important", "admonition", "dropdown")
_FILE = re.compile(r"# (\w+\.py)\n")
_OUTPUT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        kind: "python", "console", "text" ...; empty where the page does not say.
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
    """All code blocks of a page."""
    return list(blocks_of(page.read_text(encoding="utf-8")))


def blocks_of(text: str, above: int = 0) -> Iterator[Block]:
    r"""All code blocks of Markdown, those inside of directives too.

    Args:
        text: Of the page.
        above: Lines of the page above the text.

    >>> list(blocks_of("% not run: an hour\n\n```console\n$ make results\n```\n"))
    [Block(kind='console', body='$ make results\n', line=4, reason='an hour')]
    """
    before = ""
    for token in MarkdownIt().parse(text):
        if token.type in ("fence", "code_block"):
            line = above + (token.map[0] if token.map else 0) + 1 + (token.type == "fence")
            found = _EXCUSE.search(before)
            yield from _of_fence(token, line, found["reason"] if found else "")
        if token.content:
            before = "" if token.type == "fence" else token.content


def _of_fence(token: Token, line: int, reason: str) -> Iterator[Block]:
    directive = _DIRECTIVE.match(token.info)
    if directive is None:
        yield Block(token.info.partition(" ")[0], token.content, line, reason)
    elif directive[1] in _CODE:
        yield Block(directive[2], token.content, line, reason)
    elif directive[1] in _PROSE:
        yield from blocks_of(token.content, line - 1)


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
        elif block.kind not in ("python", *SHOWN):
            raise AssertionError(
                f"{where}: a block of {block.kind or 'no language'} is neither run nor excused; "
                "make it python or console, or say before it: <!-- not run: reason -->"
            )
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
