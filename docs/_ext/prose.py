"""Docstrings as nodes of a page, without a markup language between.

A formula as |det K| or <g_i, g_j> means something to reStructuredText and to Markdown; here it
stays what it is. Only backticks, lists with "- ", arXiv numbers and Google's sections are read.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping

from docutils import nodes

_INLINE = re.compile(r"`([^`]+)`|arXiv:(\d{4}\.\d{4,5})")
_SECTION = re.compile(r"(Args|Returns|Raises):$")
_ENTRY = re.compile(r"([A-Za-z_][\w*]*): +")
_NO_LINKS: Mapping[str, str] = {}


def inline(text: str, links: Mapping[str, str] = _NO_LINKS) -> list[nodes.Node]:
    """A line of text: what stands in backticks is code, an arXiv number is a link.

    Args:
        text: Without line breaks.
        links: Ids on this page, by the code that leads there.
    """
    found: list[nodes.Node] = []
    end = 0
    for match in _INLINE.finditer(text):
        found.append(nodes.Text(text[end : match.start()]))
        code, paper = match.groups()
        if paper is not None:
            uri = f"https://arxiv.org/abs/{paper}"
            found.append(nodes.reference("", match[0], refuri=uri, internal=False))
        else:
            literal = nodes.literal("", code)
            found.append(
                nodes.reference("", "", literal, refid=links[code], internal=True)
                if code in links
                else literal
            )
        end = match.end()
    found.append(nodes.Text(text[end:]))
    return [node for node in found if node.astext()]


def paragraph(text: str, links: Mapping[str, str] = _NO_LINKS) -> nodes.paragraph:
    """A paragraph of text, as `inline` reads it; --seed in it is an option, not a dash."""
    return nodes.paragraph("", "", *inline(text, links), support_smartquotes=False)


def code_list(names: list[str] | tuple[str, ...]) -> str:
    """Names as code, one after the other."""
    return ", ".join(f"`{name}`" for name in names)


def docstring(text: str | None, links: Mapping[str, str] = _NO_LINKS) -> list[nodes.Node]:
    """A docstring: paragraphs and lists, then its sections as fields.

    Args:
        text: The docstring, as Python has it.
        links: As of `inline`.
    """
    body: list[nodes.Node] = []
    fields = nodes.field_list(classes=["facts"])
    section = None
    for block in _blocks(inspect.cleandoc(text or "")):
        heading = _SECTION.match(block[0])
        if heading:
            section = heading[1]
            block = [line[4:] for line in block[1:]]  # noqa: PLW2901 - the heading is read
        if section is None:
            body += _block(block, links)
        elif block:
            fields += _field(section, block, links)
    return [*body, fields] if len(fields) else body


def facts(pairs: Mapping[str, str], links: Mapping[str, str] = _NO_LINKS) -> nodes.field_list:
    """A list of names and what is said of them; empty texts are left out."""
    return nodes.field_list(
        "",
        *(
            nodes.field(
                "", nodes.field_name("", name), nodes.field_body("", paragraph(text, links))
            )
            for name, text in pairs.items()
            if text
        ),
        classes=["facts"],
    )


def _blocks(text: str) -> Iterator[list[str]]:
    """Lines between empty lines; a section's heading begins one too."""
    block: list[str] = []
    for line in text.splitlines():
        if block and (not line.strip() or _SECTION.match(line)):
            yield block
            block = []
        if line.strip():
            block.append(line)
    if block:
        yield block


def _block(lines: list[str], links: Mapping[str, str]) -> Iterator[nodes.Node]:
    """Text, and the list that may follow it."""
    starts = [number for number, line in enumerate(lines) if line.startswith("- ")]
    text = lines[: starts[0]] if starts else lines
    if text:
        yield paragraph(_joined(text), links)
    if starts:
        ends = [*starts[1:], len(lines)]
        items = [_joined([lines[a][2:], *lines[a + 1 : b]]) for a, b in zip(starts, ends)]  # noqa: B905
        yield nodes.bullet_list(
            "", *(nodes.list_item("", paragraph(item, links)) for item in items)
        )


def _field(name: str, lines: list[str], links: Mapping[str, str]) -> nodes.field:
    """A section: a list of its entries, or what it says."""
    entries: list[list[str]] = []
    for line in lines:
        if entries and (line.startswith(" ") or not _ENTRY.match(line)):
            entries[-1].append(line)
        else:
            entries.append([line])
    body = nodes.field_body()
    for entry in entries:
        text = _joined(entry)
        named = _ENTRY.match(text) if name != "Returns" else None
        body += paragraph(f"`{named[1]}`: {text[named.end() :]}" if named else text, links)
    return nodes.field("", nodes.field_name("", name), body)


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
