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
    >>> escape(["Returns:", "    A pair: both."])
    ['Returns:', '    : A pair: both.']
    """
    escaped: list[str] = []
    example, before = False, ""
    for line in lines:
        stripped = line.lstrip()
        example = bool(stripped) and (example or stripped.startswith(">>>"))
        shown = line if example else _TOKEN.sub(_escaped, line)
        if before == "Returns:":  # no type before a colon: the types stand in the signature
            shown = f"{shown[: len(line) - len(stripped)]}: {shown.lstrip()}"
        escaped.append(shown)
        before = stripped
    return escaped


def _escaped(match: re.Match[str]) -> str:
    code, sign = match.groups()
    return code or f"\\{sign}"


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = escape(lines)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    # Before napoleon, which makes markup of the sections.
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
