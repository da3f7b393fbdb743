"""What the generated parts of pages share: sections that can be linked to, and tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from docutils import nodes
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment


def section(
    env: BuildEnvironment, label: str, title: str, content: Iterable[nodes.Node]
) -> nodes.section:
    """A section that pages link to as `[...](#label)`, and addresses as `page.html#label`.

    Args:
        env: The build's.
        label: Unique among all pages.
        title: Its heading, code.
        content: What stands in it.
    """
    found = nodes.section("", nodes.title("", "", nodes.literal("", title)), *content)
    found["ids"] = [nodes.make_id(label)]
    found["names"] = [label]
    domain = env.get_domain("std")
    assert isinstance(domain, StandardDomain)
    page = env.docname
    domain.anonlabels[label] = page, found["ids"][0]
    domain.labels[label] = page, found["ids"][0], title
    return found


def table(
    heading: Sequence[str],
    rows: Iterable[Sequence[Sequence[nodes.Node]]],
    figures: Collection[int] = (),
) -> nodes.Element:
    """A table.

    Args:
        heading: Of the columns.
        rows: Of cells.
        figures: Columns that are figures, aligned to the right.
    """
    group = nodes.tgroup(cols=len(heading))
    group += [nodes.colspec(colwidth=1) for _ in heading]
    group += nodes.thead("", _row([[nodes.Text(text)] for text in heading], figures))
    group += nodes.tbody("", *(_row(cells, figures) for cells in rows))
    # The theme scrolls what is wider than the page.
    return nodes.container("", nodes.table("", group), classes=["table-wrapper"])


def _row(cells: Sequence[Sequence[nodes.Node]], figures: Collection[int]) -> nodes.row:
    row = nodes.row()
    for number, cell in enumerate(cells):
        classes = ["text-right"] if number in figures else []
        text = nodes.paragraph("", "", *cell, support_smartquotes=False)
        row += nodes.entry("", text, classes=classes)
    return row
