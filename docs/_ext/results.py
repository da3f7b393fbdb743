"""Tables of the pages: read from what is committed under results/, with its protocol.

```{result} nasbench201/cifar10/evaluation.md
:section: cifar10
:columns: proxy, Kendall tau, Spearman
:rows: vkdnw, nwot
:no-protocol:
```

shows columns and rows of the first table of a file, or of a section of it, and the lines of its
protocol below. What is not there is an error, so that no page can differ from the results.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from docutils.statemachine import StringList

from harness.evaluation.declared import declared

RESULTS = Path(__file__).parents[2] / "results"
Table = tuple[list[str], list[list[str]]]
#: Between cells; a stroke in a cell has a backslash.
_CELLS = re.compile(r"(?<!\\)\|")


def read_table(text: str) -> Table:
    """Heading and rows of the first Markdown table of a text.

    Raises:
        ValueError: There is none.
    """
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("|"):
            lines.append(line)
        elif lines:
            break
    if len(lines) < 2:
        raise ValueError("there is no table")
    heading, _, *rows = ([cell.strip() for cell in _CELLS.split(line)[1:-1]] for line in lines)
    return unique(heading), rows


def section(text: str, name: str) -> str:
    """The part of a text under the heading `name`, to the next one of its level.

    Raises:
        ValueError: There is no such heading.
    """
    match = re.search(rf"^(#+) {re.escape(name)}$(.*?)(?=^\1 |\Z)", text, re.M | re.S)
    if match is None:
        raise ValueError(f"there is no section {name!r}")
    return match[2]


def protocol(text: str) -> list[str]:
    """The first list of a text that follows a table: what its figures rest on."""
    after = text[text.rindex("\n|") :] if "\n|" in text else text
    return re.findall(r"^- (.+)$", after, re.M)


def choose(table: Table, columns: list[str], rows: list[str]) -> Table:
    """Some columns, and the rows whose first cell is named, in the order of the names.

    Raises:
        ValueError: There is no such column or row.
    """
    heading, body = table
    if columns:
        missing = [name for name in columns if name not in heading]
        if missing:
            raise ValueError(f"no column {missing[0]!r}; there are: {', '.join(heading)}")
        picked = [heading.index(name) for name in columns]
        heading, body = columns, [[row[i] for i in picked] for row in body]
    if rows:
        known = {row[0]: row for row in body}
        missing = [name for name in rows if name not in known]
        if missing:
            raise ValueError(f"no row {missing[0]!r}; there are: {', '.join(known)}")
        body = [known[name] for name in rows]
    return heading, body


def unique(heading: list[str]) -> list[str]:
    """Column names; one that is there twice gets the name of the figure before it.

    >>> unique(["tau", "published", "rho", "published"])
    ['tau', 'published', 'rho', 'published rho']
    """
    named: list[str] = []
    for i, name in enumerate(heading):
        named.append(f"{name} {heading[i - 1]}" if name in named else name)
    return named


def markdown(table: Table) -> str:
    """A table as Markdown: the first column to the left, figures to the right."""
    heading, body = table
    marks = [":---", *["---:"] * (len(heading) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, marks, *body))


def two_lines(text: str) -> str:
    """Intervals below their figures, so that a wide table stays readable.

    >>> two_lines("| 0.631 [0.603, 0.657] |")
    '| 0.631<br>[0.603, 0.657] |'
    """
    return re.sub(r" (\[-?[\d.]+, -?[\d.]+\])", r"<br>\1", text)


class Result(Directive):
    """A table of a result with its protocol."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "section": directives.unchanged,
        "columns": directives.unchanged,
        "rows": directives.unchanged,
        "no-protocol": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Called by docutils."""
        file = RESULTS / self.arguments[0]
        self.state.document.settings.env.note_dependency(str(file))
        try:
            text = file.read_text(encoding="utf-8")
            part = section(text, self.options["section"]) if "section" in self.options else text
            names = (_names(self.options.get(key, "")) for key in ("columns", "rows"))
            content = [two_lines(markdown(choose(read_table(part), *names)))]
        except (OSError, ValueError) as error:
            raise self.error(f"results/{self.arguments[0]}: {error}") from error
        lines = [] if "no-protocol" in self.options else protocol(part)
        if lines:
            content += ["", ":::{dropdown-protocol}", *(f"- {line}" for line in lines), ":::"]
        node = nodes.container(classes=["result"])
        self.state.nested_parse(_lines("\n".join(content)), self.content_offset, node)
        return [node]


class Metrics(Directive):
    """The table of all metrics, from their declarations."""

    def run(self) -> list[nodes.Node]:
        """Called by docutils."""
        rows = [
            [metric.title.replace("|", "\\|"), f"`{metric.name}`", metric.summary]
            for metric in sorted(declared(), key=lambda metric: metric.place)
        ]
        table = ["| column | in evaluation.csv | what it is |", "|:---|:---|:---|"]
        table += [f"| {' | '.join(row)} |" for row in rows]
        node = nodes.container(classes=["words"])
        self.state.nested_parse(_lines("\n".join(table)), self.content_offset, node)
        return [node]


class Protocol(Directive):
    """Lines of a protocol, folded away."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Called by docutils."""
        body = nodes.container(classes=["protocol"])
        self.state.nested_parse(self.content, self.content_offset, body)
        opening = "<details class='protocol'><summary>Protocol</summary>"
        return [
            nodes.raw("", opening, format="html"),
            body,
            nodes.raw("", "</details>", format="html"),
        ]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _lines(text: str) -> StringList:
    return StringList(text.split("\n"), "results")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("result", Result)
    app.add_directive("metrics", Metrics)
    app.add_directive("dropdown-protocol", Protocol)
    return {"parallel_read_safe": True}
