"""Docstrings of the API reference are prose: an asterisk or a bar in them is no markup."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from sphinx.application import Sphinx

_CODE_OR_MARK = re.compile(r"`[^`]*`|[*|]")


def escaped(line: str) -> str:
    r"""A line of a docstring whose only markup is code in backticks.

    >>> escaped("(B, *shape) of `f(*batches)`")
    '(B, \\*shape) of `f(*batches)`'
    """
    return _CODE_OR_MARK.sub(lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", line)


def _process(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    lines[:] = map(escaped, lines)
    for heading, first in pairwise(range(len(lines))):
        if lines[heading] == "Returns:":
            # Napoleon takes what stands before a colon for a type; here it finds none.
            lines[first] = re.sub(r"^(\s+)", r"\1: ", lines[first])


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part before napoleon, which writes markup."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
