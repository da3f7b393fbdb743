"""Docstrings are plain text with formulas: their signs must not be read as markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

#: `code`, which is left as it is, or a sign that reStructuredText would read as markup.
_TOKEN = re.compile(r"(`+[^`]*`+)|([*|\\]|_(?=\W|$))")


def escape(lines: Iterable[str]) -> list[str]:
    """Lines of a docstring as reStructuredText that shows the same.

    >>> escape(["F = J_n^T p_ |x| of `*args`", ">>> a * b"])
    ['F = J_n^T p\\\\_ \\\\|x\\\\| of `*args`', '>>> a * b']
    """
    escaped, example = [], False
    for line in lines:
        stripped = line.lstrip()
        example = bool(stripped) and (example or stripped.startswith(">>>"))
        escaped.append(line if example else _TOKEN.sub(_escaped, line))
    return escaped


def _escaped(match: re.Match[str]) -> str:
    code, sign = match.groups()
    return code or f"\\{sign}"


def untyped(lines: Iterable[str]) -> list[str]:
    """Lines of a docstring whose `Returns:` has text alone.

    Napoleon takes what stands before a colon there for a type; now it finds an empty one.

    >>> untyped(["Returns:", "    The result: data."])
    ['Returns:', '    : The result: data.']
    """
    found: list[str] = []
    for line in lines:
        after = bool(found) and found[-1].strip() == "Returns:"
        found.append(re.sub(r"^(\s+)", r"\1: ", line) if after else line)
    return found


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = untyped(escape(lines))


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    # Before napoleon, which makes markup of the sections.
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
