"""Evaluations as text: one description of the columns serves terminal, Markdown and CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd


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
    """Seconds as milliseconds, to about two digits."""
    value = 1000 * seconds
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


#: What a person reads; evaluation.csv holds every metric with its interval.
COLUMNS: Sequence[Column] = (
    Column("proxy", lambda row: str(row["proxy"])),
    Column("n", _count("n")),
    Column("failed", _count("failed")),
    Column("Kendall tau", with_interval("kendall_tau")),
    Column("Spearman", with_interval("spearman")),
    Column("nDCG", with_interval("ndcg")),
    Column("tau - tau(params)", with_interval("tau_minus_params")),
    Column("partial tau | params", _plain("partial_tau_params")),
    Column("tau to params", _plain("tau_params")),
    Column("to flops", _plain("tau_flops")),
    Column("to layers", _plain("tau_layers")),
    Column("top-1 % (regret)", lambda r: f"{r['top1_accuracy']:.2f} ({r['top1_regret']:.2f})"),
    Column("prec. top 5%", _plain("precision_top5")),
    Column("ties", lambda row: f"{100 * row['tie_share']:.0f}%"),
    Column("ms/arch", lambda row: milliseconds(row["seconds"])),
)

#: The columns that fit a terminal.
NARROW = (
    "proxy", "n", "failed", "Kendall tau", "Spearman", "nDCG", "tau - tau(params)",
    "tau to params", "ms/arch",
)  # fmt: skip


def cells(evaluation: pd.DataFrame, titles: Sequence[str] | None = None) -> list[list[str]]:
    """Heading and rows of the shown table, the best tau first."""
    chosen = [column for column in COLUMNS if titles is None or column.title in titles]
    ordered = evaluation.sort_values("kendall_tau", ascending=False, kind="stable")
    body = [[column.text(row) for column in chosen] for _, row in ordered.iterrows()]
    return [[column.title for column in chosen], *body]


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
