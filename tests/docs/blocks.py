"""Code blocks of Markdown pages: what kind each is, and whether it says that it is not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

#: Before a block, in Markdown and in MyST.
_EXCUSE = re.compile(r"(?:<!--|%) *not run: *(?P<reason>[^\n]*?) *(?:-->)?\s*$")
_DIRECTIVE = re.compile(r"\{([\w-]+)\} *(.*)")
#: Directives whose content is code in the language that they name; of others it is a page.
_CODE = ("code-block", "code", "sourcecode")
#: Directives whose content is no page: markup of another kind, or none.
_OPAQUE = ("eval-rst", "toctree", "math", "figure", "image", "include", "literalinclude")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        language: What the fence says; empty where it says nothing, or there is no fence.
        text: The code.
        line: Of the page, where the block begins.
        excuse: Why it is not run; None where the page does not say.
    """

    language: str
    text: str
    line: int
    excuse: str | None


def code_blocks(page: str, first_line: int = 1) -> list[Block]:
    r"""All code blocks of a page, those inside of directives too.

    Args:
        page: Markdown, or MyST.
        first_line: What the first line counts as.

    >>> code_blocks("% not run: an hour\n\n```console\n$ make results\n```\n")
    [Block(language='console', text='$ make results\n', line=3, excuse='an hour')]
    """
    found: list[Block] = []
    before = ""
    for token in MarkdownIt().parse(page):
        line = first_line + (token.map[0] if token.map else 0)
        if token.type in ("fence", "code_block"):
            found += _of_fence(token, line, _excuse(before))
        if token.type in ("inline", "fence", "code_block", "html_block"):
            before = "" if token.type == "fence" else token.content
    return found


def _of_fence(token: Token, line: int, excuse: str | None) -> Iterator[Block]:
    directive = _DIRECTIVE.match(token.info)
    if directive is None:
        yield Block(token.info.split(" ")[0], token.content, line, excuse)
    elif directive[1] in _CODE:
        yield Block(directive[2], token.content, line, excuse)
    elif directive[1] not in _OPAQUE:
        yield from code_blocks(token.content, line + 1)


def _excuse(before: str) -> str | None:
    found = _EXCUSE.search(before)
    return found["reason"] or None if found else None


def commands(text: str) -> list[str]:
    r"""The commands of a console block: lines after "$ ", with the lines that they go on in.

    >>> commands("$ harness eval nwot \\\n    --sample 8\nscored 8\n$ harness list paths\n")
    ['harness eval nwot     --sample 8', 'harness list paths']
    """
    lines = text.replace("\\\n", "").splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")]
