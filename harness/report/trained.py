"""Tables of trained models beside a paper's: what is written, and read again.

| file | what |
|---|---|
| `<key>.csv`, `.md`, `.tex` | every model: published, and ours where there is any |
| `result.json`, `environment.json` | the paper's table, notes, and what it was computed with |
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.errors import InputError
from benchmarks.trained import Column, Group, TrainedTable
from harness.report import folders, tables
from harness.training.compared import Comparison

KIND = "trained"
_OURS = "ours"


# ------------------------------------------------------------------ text


def cells(result: Comparison, group: str) -> list[list[str]]:
    """Heading and rows of a group's columns: published and ours, side by side.

    Where a column has no ours in any way, the published stands alone.

    Args:
        result: See there.
        group: Name of one of the table's groups.
    """
    columns = result.published.of(group)
    heading = ["model"]
    for column in columns:
        heading += [column.title, *([_OURS] if column.kind else [])]
    return [heading, *(_line(result, row, columns) for row in _models(result, group))]


def _models(result: Comparison, group: str) -> list[str]:
    """The paper's models, and others that have something trained in a group's columns."""
    rows = result.table[result.table["group"] == group]
    of_paper = rows[rows["in_paper"]]["model"]
    others = rows[~rows["in_paper"] & (rows["seeds"] > 0)]["model"]
    return list(dict.fromkeys([*map(str, of_paper), *map(str, others)]))


def _line(result: Comparison, model: str, columns: Sequence[Column]) -> list[str]:
    line = [model]
    for column in columns:
        line.append(result.published.text(model, column.name) or "-")
        if column.kind:
            line.append(_ours(_cell(result, model, column), result.published.digits(column.name)))
    return line


def _cell(result: Comparison, model: str, column: Column) -> pd.Series:
    rows = result.table
    return rows[(rows["model"] == model) & (rows["column"] == column.name)].iloc[0]


def _ours(cell: pd.Series, digits: int) -> str:
    """Our figure with the numbers of its notes; nothing where nothing was trained."""
    if not math.isfinite(cell["ours"]) and not cell["seeds"]:
        return ""
    text = tables.number(cell["ours"], digits)
    if math.isfinite(cell["sd"]):
        text += f" ± {tables.number(cell['sd'], digits)}"
    return " ".join([text, *(f"[{number}]" for number in str(cell["notes"]).split())])


def legend(result: Comparison) -> list[str]:
    """What the figures rest on: a line each, then the notes by their numbers."""
    published = result.published
    lines = [
        f"published: {published.source}; {published.protocol}",
        *published.notes,
        "ours: params and FLOPs by closed forms at the paper's resolution; the rest from results "
        f"of harness train ({len(result.facts['trainings'])} found); empty: nothing was trained. "
        "-: not published",
    ]
    return lines + [f"[{number}] {note}" for number, note in enumerate(result.notes, 1)]


def page(result: Comparison) -> str:
    """The table as a Markdown page, a section a group."""
    published = result.published
    parts = [f"# {published.title}: ours beside the published values"]
    for group in published.groups:
        height, width = group.resolution
        said = f"{group.task}, protocol `{group.protocol}`, {width} x {height} px"
        parts += [f"## {group.name}", said, tables.markdown(cells(result, group.name))]
    parts.append("## Reading the tables")
    parts.append("\n".join(f"- {line}" for line in legend(result)))
    if result.facts["trainings"]:
        parts.append("Trainings: " + ", ".join(f"`{t}`" for t in result.facts["trainings"]))
    parts.append(f"All figures: `{published.key}.csv`.")
    return "\n\n".join(parts) + "\n"


def latex(result: Comparison) -> str:
    r"""The table as a LaTeX `tabular`, groups side by side, for `\input`. Needs booktabs.

    Under the published values ours, small, where there are any.
    """
    published = result.published
    columns = [column for group in published.groups for column in published.of(group.name)]
    lines = [r"% Needs \usepackage{booktabs}. Under the published values ours."]
    lines += [f"% {line}" for line in legend(result)]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule"]
    lines += _latex_heading(published)
    for model in dict.fromkeys(map(str, result.table["model"])):
        theirs, ours = [tables.escaped(model)], [""]
        for column in columns:
            text = published.text(model, column.name)
            theirs.append(tables.escaped(text) or "--")
            cell = _cell(result, model, column)
            ours.append(_latex_ours(cell, published.digits(column.name)))
        lines += [" & ".join(theirs) + r" \\", " & ".join(ours) + r" \\"]
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _latex_heading(published: TrainedTable) -> list[str]:
    heads, rules, titles, start = [""], [], ["Model"], 2
    for group in published.groups:
        of = published.of(group.name)
        heads.append(rf"\multicolumn{{{len(of)}}}{{c}}{{{tables.escaped(group.name)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + len(of) - 1}}}")
        titles += [tables.escaped(column.title) for column in of]
        start += len(of)
    rows = [" & ".join(heads) + r" \\", "".join(rules), " & ".join(titles) + r" \\"]
    return [*rows, r"\midrule"]


def _latex_ours(cell: pd.Series, digits: int) -> str:
    if not math.isfinite(cell["ours"]):
        return ""
    marks = ",".join(str(cell["notes"]).split())
    above = rf"$^{{{marks}}}$" if marks else ""
    deviation = rf" $\pm$ {cell['sd']:.{digits}f}" if math.isfinite(cell["sd"]) else ""
    return rf"{{\scriptsize {cell['ours']:.{digits}f}{deviation}{above}}}"


# ------------------------------------------------------------------ folder


def write(result: Comparison, folder: Path) -> list[Path]:
    """Write the table as data, page and LaTeX.

    Returns:
        The files.

    Raises:
        InputError: The folder cannot be written.
    """
    published, key = result.published, result.published.key
    said: dict[str, Any] = {
        name: getattr(published, name) for name in ("key", "title", "source", "protocol")
    }
    said |= {
        "groups": [dataclasses.asdict(group) for group in published.groups],
        "columns": [dataclasses.asdict(column) for column in published.columns],
        "known": dict(published.known),
        "notes": list(published.notes),
        "frame": published.frame.to_csv().splitlines(),
    }
    numbered = {str(number): note for number, note in enumerate(result.notes, 1)}
    written = folders.write(
        folder, KIND, result.facts, legend(result), published=said, notes=numbered
    )
    texts = {
        f"{key}.csv": result.table.to_csv(index=False, lineterminator="\n"),
        f"{key}.md": page(result),
        f"{key}.tex": latex(result),
    }
    return written + [folders.text(folder / name, content) for name, content in texts.items()]


def load(folder: Path) -> Comparison:
    """A table that `write` wrote.

    Raises:
        InputError: The folder holds none, or is damaged.
    """
    held = folders.read(folder)
    try:
        said = held["published"]
        frame = _texts("\n".join(said["frame"])).set_index("model")
        published = TrainedTable(
            said["key"], said["title"], said["source"], said["protocol"],
            [Group(**{**g, "resolution": tuple(g["resolution"])}) for g in said["groups"]],
            [Column(**column) for column in said["columns"]], said["known"], frame,
            tuple(said["notes"]),
        )  # fmt: skip
        content = (folder / f"{published.key}.csv").read_text(encoding="utf-8")
        return Comparison(
            published, _typed(_texts(content)), tuple(held["notes"].values()), held["facts"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder} holds no whole table ({type(error).__name__}: {error}); make it again"
        ) from error


def _texts(content: str) -> pd.DataFrame:
    """A CSV whose cells are text."""
    return pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)


def _typed(cells_of: pd.DataFrame) -> pd.DataFrame:
    """The cells with the types that they had."""
    numbers = {
        name: cells_of[name].map(lambda text: float(text or "nan"))
        for name in ("published", "ours", "sd")
    }
    return cells_of.assign(
        in_paper=cells_of["in_paper"] == "True", seeds=cells_of["seeds"].map(int), **numbers
    )
