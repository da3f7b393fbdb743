"""Evaluations as text: one description of the columns serves terminal, Markdown and CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.evaluation import declared
from harness.evaluation.declared import METRICS, Metric


@dataclass(frozen=True)
class Column:
    """A column of the shown table.

    Attributes:
        title: Its heading.
        text: Makes a cell of an evaluation row.
    """

    title: str
    text: Callable[[pd.Series], str]


def number(value: float, digits: int = 3) -> str:
    """A number, or a dash where there is none.

    >>> number(0.61849), number(float("nan"))
    ('0.618', '-')
    """
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def input_title(name: str) -> str:
    """What a proxy saw, in words.

    >>> input_title("none"), input_title("gaussian"), input_title("cifar10")
    ('no data', 'Gaussian noise', 'cifar10 images')
    """
    return {"none": "no data", "gaussian": "Gaussian noise"}.get(name, f"{name} images")


def with_interval(name: str, digits: int = 3) -> Callable[[pd.Series], str]:
    """Text of a metric of an evaluation row: value, deviation over seeds, interval."""

    def text(row: pd.Series) -> str:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        value = number(row[name], digits)
        if row["seeds"] > 1 and math.isfinite(row[f"{name}_sd"]):
            value += f" ± {number(row[f'{name}_sd'], digits)}"
        if not (math.isfinite(low) and math.isfinite(high)):
            return value
        return f"{value} [{number(low, digits)}, {number(high, digits)}]"

    return text


def _plain(name: str, digits: int = 3) -> Callable[[pd.Series], str]:
    return lambda row: number(row[name], digits)


def _count(name: str) -> Callable[[pd.Series], str]:
    return lambda row: f"{int(row[name]):,}"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, to about two digits; a dash where there are none."""
    value = 1000 * seconds
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def columns() -> list[Column]:
    """What a person reads; `evaluation.csv` holds every metric with its interval."""
    return [
        Column("proxy", lambda row: str(row["proxy"])),
        _N,
        _FAILED,
        *map(_metric_column, declared.shown()),
        Column("ties", lambda row: _percent(row["tie_share"])),
        _COST,
    ]


_N = Column("n", _count("n"))
_FAILED = Column("failed", _count("failed"))
_COST = Column("ms/arch", lambda row: milliseconds(row["seconds"]))


def _metric_column(metric: Metric) -> Column:
    text = (with_interval if metric.interval else _plain)(metric.name, metric.digits)
    if not metric.beside:
        return Column(metric.title, text)
    other = _plain(metric.beside, metric.digits)
    return Column(metric.title, lambda row: f"{text(row)} ({other(row)})")


#: What a terminal is sure to have.
WIDTH = 100


def cells(evaluation: pd.DataFrame, *, narrow: bool = False, width: int = WIDTH) -> list[list[str]]:
    """Heading and rows of the shown table, the best tau first.

    Args:
        evaluation: Of `harness.evaluation.evaluate.evaluate`.
        narrow: As it fits a terminal: fewer columns, and an interval of the first metric alone;
            see `left_out`.
        width: Of the terminal; a table of k columns needs 3 k + 1 beside its text.
    """
    return _table(evaluation, _narrow(evaluation, width)[0] if narrow else columns())


def left_out(evaluation: pd.DataFrame, *, width: int = WIDTH) -> str:
    """Which columns the narrow table leaves out, in a line."""
    shown = _narrow(evaluation, width)[1]
    left = [metric.title for metric in declared.shown() if metric not in shown]
    return (
        f"not shown: {', '.join(left)}, ties, other intervals; evaluation.md has them, "
        "evaluation.csv all"
    )


def _table(evaluation: pd.DataFrame, chosen: Sequence[Column]) -> list[list[str]]:
    ordered = evaluation.sort_values("kendall_tau", ascending=False, kind="stable")
    body = [[column.text(row) for column in chosen] for _, row in ordered.iterrows()]
    return [[column.title for column in chosen], *body]


#: Characters of a name that matter more than another column.
_NAME = 20


def _narrow(evaluation: pd.DataFrame, width: int) -> tuple[list[Column], list[Metric]]:
    """Columns that fit, and the metrics among them."""
    first, *others = declared.shown(narrow=True)
    lead = [_N, _FAILED] if (evaluation["failed"] > 0).any() else [_N]
    lead.append(Column(f"{first.short} [95 % interval]", with_interval(first.name, first.digits)))

    def numbers() -> list[Column]:
        return [Column(metric.short, _plain(metric.name, metric.digits)) for metric in others]

    def room() -> int:  # for the names of the proxies
        beside = _table(evaluation, [*lead, *numbers(), _COST])
        return width - _width(beside) - 3

    longest = max(len(str(name)) for name in [*evaluation["proxy"], "proxy"])
    while others and room() < min(longest, _NAME):
        others.pop()
    left = max(room(), 8)
    proxy = Column("proxy", lambda row: _shortened(str(row["proxy"]), left))
    return [proxy, *lead, *numbers(), _COST], [first, *others]


def _width(table: Sequence[Sequence[str]]) -> int:
    """Characters of a table with borders."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return sum(widths) + 3 * len(widths) + 1


def _shortened(name: str, room: int) -> str:
    """A name whose middle is left out where it has no room.

    >>> _shortened("log-rank(vkdnw,jacov,flops)", 15)
    'log-ran…,flops)'
    """
    if len(name) <= room:
        return name
    return f"{name[: room // 2]}…{name[len(name) - (room - 1) // 2 :]}"


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column left, the others right.

    >>> print(markdown([["proxy", "n"], ["flops", "300"]]))
    | proxy | n |
    |:---|---:|
    | flops | 300 |
    """
    heading, *body = ([cell.replace("|", "\\|") for cell in row] for row in table)
    lines = ["| " + " | ".join(heading) + " |", "|:---|" + "---:|" * (len(heading) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    return "\n".join(lines)


def evaluation_csv(evaluation: pd.DataFrame) -> str:
    """Every metric with its interval, as CSV."""
    return evaluation.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def evaluation_markdown(
    evaluation: pd.DataFrame, protocol: Sequence[str], figures: Sequence[str]
) -> str:
    """The evaluation as a page: table, protocol, figures.

    Args:
        evaluation: Of `harness.evaluation.evaluate.evaluate`.
        protocol: Lines that say what the figures rest on.
        figures: File names of pictures beside the page.
    """
    parts = ["# Evaluation", markdown(cells(evaluation)), "Protocol:"]
    parts.append("\n".join(f"- {line}" for line in protocol))
    parts.append(
        "In brackets: 95 % bootstrap intervals over architectures; ± the deviation over seeds. "
        "All columns with their intervals: `evaluation.csv`."
    )
    parts += [f"![{name.rpartition('.')[0]}]({name})" for name in figures]
    return "\n\n".join(parts) + "\n"


_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip
_LATEX = str.maketrans(_SPECIAL)


def escaped(text: str) -> str:
    r"""Text for LaTeX.

    >>> escaped("grad_norm 5%")
    'grad\\_norm 5\\%'
    """
    return text.translate(_LATEX)


def latex_title(metric: Metric) -> str:
    """The heading of a metric in LaTeX."""
    return metric.symbol or escaped(metric.title)


def latex_number(value: float, digits: int = 3) -> str:
    """A number for LaTeX, or a dash where there is none."""
    return f"${value:.{digits}f}$" if math.isfinite(value) else "--"


def evaluation_latex(evaluation: pd.DataFrame, protocol: Sequence[str]) -> str:
    r"""The evaluation as a LaTeX `tabular`, for `\input`. Needs the package booktabs.

    Args:
        evaluation: Of `harness.evaluation.evaluate.evaluate`.
        protocol: Lines that say what the figures rest on; they become comments.
    """
    metrics = declared.shown()
    lines = [r"% Needs \usepackage{booktabs}. Brackets: 95 % bootstrap intervals."]
    lines += [f"% {line}" for line in protocol]
    lines += [rf"\begin{{tabular}}{{lr{'r' * len(metrics)}}}", r"\toprule"]
    lines.append(" & ".join(["Proxy", "$n$", *map(latex_title, metrics)]) + r" \\")
    lines.append(r"\midrule")
    ordered = evaluation.sort_values("kendall_tau", ascending=False, kind="stable")
    for _, row in ordered.iterrows():
        cells_of = [escaped(str(row["proxy"])), f"{int(row['n']):,}".replace(",", "{,}")]
        cells_of += [_latex_cell(row, metric) for metric in metrics]
        lines.append(" & ".join(cells_of) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _latex_cell(row: pd.Series, metric: Metric) -> str:
    name, digits = metric.name, metric.digits
    text = latex_number(row[name], digits)
    if metric.beside:
        text += f" ({latex_number(row[metric.beside], digits)})"
    if not metric.interval:
        return text
    if row["seeds"] > 1 and math.isfinite(row[f"{name}_sd"]):
        text += rf" $\pm$ {latex_number(row[f'{name}_sd'], digits)}"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if math.isfinite(low) and math.isfinite(high):
        span = f"{latex_number(low, digits)}, {latex_number(high, digits)}"
        text += rf" {{\scriptsize [{span}]}}"
    return text


# ------------------------------------------------------------------ differences between proxies


def comparison_cells(
    pairs: pd.DataFrame, against: str, *, narrow: bool = False, width: int = WIDTH
) -> list[list[str]]:
    """Heading and rows of all proxies compared with one, the best first.

    Args:
        pairs: Of `harness.evaluation.compare.compare_all`, all against that one.
        against: Its name.
        narrow: Leave out n, and all intervals but the first, so that it fits a terminal.
        width: Of the terminal.
    """
    names = list(dict.fromkeys(pairs["metric"]))
    heading = [f"less {against}"] if narrow else [f"less {against}", "n"]
    for name in names:
        heading += [METRICS[name].short, "above 0"]
    ordered = pairs[pairs["metric"] == names[0]].sort_values(
        "difference", ascending=False, kind="stable"
    )
    body = []
    for _, first in ordered.iterrows():
        rows = pairs[pairs["a"] == first["a"]].set_index("metric")
        line = [str(first["a"])] if narrow else [str(first["a"]), f"{int(first['n']):,}"]
        for name in names:
            row = rows.loc[name]
            line += [_difference(row, narrow and name != names[0]), _percent(row["share_above"])]
        body.append(line)
    table = [heading, *body]
    if narrow:  # long names give way
        room = max(width - _width([row[1:] for row in table]) - 3, 8)
        table = [[_shortened(first, room), *rest] for first, *rest in table]
    return table


def _difference(row: pd.Series, alone: bool) -> str:
    value, low, high = (row[name] for name in ("difference", "low", "high"))
    if not math.isfinite(value):
        return "-"
    text = f"{value:+.3f}"
    return f"{text} [{low:+.3f}, {high:+.3f}]" if math.isfinite(low) and not alone else text


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if math.isfinite(share) else "-"


def comparison_markdown(pairs: pd.DataFrame, against: str) -> str:
    """All proxies compared with one as a part of a page.

    Args:
        pairs: Of `harness.evaluation.compare.compare_all`, all against that one.
        against: Its name.
    """
    return "\n\n".join(
        [
            f"## Compared with {against}",
            markdown(comparison_cells(pairs, against)),
            f"Each proxy less {against}, on the architectures that both have; in brackets: 95 % "
            "paired bootstrap intervals, the same resamples for both. above 0: share of the "
            "resamples in which the proxy is better, ties count half.",
        ]
    )
