"""The page of a search: what was found, beside what it cost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.data import replacing
from benchmarks.errors import InputError
from harness.report import folders, search_plots, style
from harness.report.tables import Column, evaluation_csv, markdown, number
from harness.search import trajectories
from harness.search.result import SearchResult


def _with_deviation(name: str, digits: int, scale: float = 1) -> Callable[[pd.Series], str]:
    def text(row: pd.Series) -> str:
        value = number(row[name] / scale, digits)
        deviation = row[f"{name}_sd"] / scale
        return f"{value} ± {number(deviation, digits)}" if math.isfinite(deviation) else value

    return text


#: What a person reads; search.csv holds all.
COLUMNS: Sequence[tuple[str, Column]] = (
    ("proxy", Column("proxy", lambda row: str(row["proxy"]))),
    ("algorithm", Column("algorithm", lambda row: str(row["algorithm"]))),
    ("seeds", Column("seeds", lambda row: str(row["seeds"]))),
    ("accuracy", Column("accuracy found (%)", _with_deviation("accuracy", 2))),
    ("regret", Column("regret", _with_deviation("regret", 2))),
    ("best_seen", Column("best visited (%)", _with_deviation("best_seen", 2))),
    ("flops", Column("MFLOPs", _with_deviation("flops", 1, 1e6))),
    ("limited_flops", Column("limited MFLOPs", _with_deviation("limited_flops", 1, 1e6))),
    ("params", Column("params (M)", _with_deviation("params", 3, 1e6))),
    ("layers", Column("layers", _with_deviation("layers", 0))),
    ("evaluations", Column("evaluations", lambda row: f"{row['evaluations']:,.0f}")),
    ("scored", Column("networks scored", lambda row: f"{row['scored']:,.0f}")),
    ("failed", Column("failed", lambda row: number(row["failed"], 1).removesuffix(".0"))),
    ("seconds", Column("seconds", lambda row: f"{row['seconds']:,.1f}")),
)

#: The columns that fit a terminal.
NARROW = (
    "proxy", "algorithm", "accuracy", "regret", "best_seen", "limited_flops", "params", "scored",
    "seconds",
)  # fmt: skip


def cells(summary: pd.DataFrame, names: Sequence[str] | None = None) -> list[list[str]]:
    """Heading and rows of the shown table, the best accuracy first.

    Args:
        summary: Of `harness.search.trajectories.summary`.
        names: Of the columns that are wanted; those that the summary lacks are left out.
    """
    chosen = [c for name, c in COLUMNS if name in summary and (names is None or name in names)]
    if "accuracy" in summary:
        summary = summary.sort_values("accuracy", ascending=False, kind="stable")
    body = [[column.text(row) for column in chosen] for _, row in summary.iterrows()]
    return [[column.title for column in chosen], *body]


def page(summary: pd.DataFrame, protocol: Sequence[str], figures: Sequence[str]) -> str:
    """The summary as a page: table, protocol, figures.

    Args:
        summary: Of `harness.search.trajectories.summary`.
        protocol: Lines that say what the figures rest on.
        figures: File names of pictures beside the page.
    """
    parts = ["# Search", markdown(cells(summary)), "Protocol:"]
    parts.append("\n".join(f"- {line}" for line in protocol))
    parts.append(
        "Mean ± standard deviation over seeds. Every evaluation: `trajectory.csv` and "
        "`.parquet`; what each search found: `winners/`."
    )
    parts += [f"![{name.rpartition('.')[0]}]({name})" for name in figures]
    return "\n\n".join(parts) + "\n"


# ------------------------------------------------------------------ a result and its folder


def figure(result: SearchResult) -> Figure:
    """Accuracy and regret against evaluations; without accuracies rank and FLOPs."""
    frame = result.trajectory
    if result.optimum is not None:
        curves = trajectories.curves(frame, "incumbent_accuracy")
        return search_plots.accuracy_figure(curves, result.optimum, result.title)
    limited = "limited_flops" if "limited_flops" in frame else "flops"
    frame = frame.assign(incumbent_flops=trajectories.of_incumbent(frame, limited))
    return search_plots.progress_figure(
        trajectories.curves(frame, "incumbent_rank"),
        trajectories.curves(frame, "incumbent_flops"),
        result.facts["limits"].get("flops"),
        result.title,
    )


def write(result: SearchResult, folder: Path) -> list[Path]:
    """Write data, tables, figure and winners of searches.

    Returns:
        The files.

    Raises:
        InputError: The folder cannot be written.
    """
    more = {"labels": list(result.labels), "optimum": result.optimum, "title": result.title}
    written = folders.write(folder, "search", result.facts, list(result.protocol), **more)
    with replacing(folder / "trajectory.parquet") as temporary:
        result.trajectory.to_parquet(temporary, index=False)
    written += [
        folder / "trajectory.parquet",
        folders.text(folder / "trajectory.csv", evaluation_csv(result.trajectory)),
        folders.text(folder / "search.csv", evaluation_csv(result.table)),
        folders.text(folder / "search.md", page(result.table, result.protocol, ["search.png"])),
    ]
    for label, winner in zip(result.labels, result.winners, strict=True):
        content = json.dumps(winner, indent=2) + "\n"
        written.append(folders.text(folder / "winners" / f"{label}.json", content))
    with style.house_style():
        written += style.save(figure(result), folder / "search")
    return written


def load(folder: Path) -> SearchResult:
    """The searches that `write` wrote.

    Raises:
        InputError: The folder holds no whole trajectory, or is damaged.
    """
    held = folders.read(folder)
    path = folder / "trajectory.parquet"
    try:
        frame = pd.read_parquet(path)
        return SearchResult(
            frame, held["protocol"], held["facts"], held["labels"], held["optimum"], held["title"]
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}: {error}); trajectories with a "
            "benchmark's accuracies are not kept in repositories: run the search again"
        ) from error
