"""Folders of a paper's table: what is written, and read again to be shown without evaluating.

| file | what |
|---|---|
| `<key>.csv`, `.md`, `.tex` | every method beside the published figures |
| `correlation.csv`, `.md` | Kendall's tau of every pair of methods, sizes and accuracy |
| `cost.csv`, `.md` | what a score costs |
| `published`, `size`, `correlation_<dataset>` | figures, `.png`, `.svg`, `.pdf` |
| `result.json`, `environment.json` | protocol, and what it was computed with |
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.errors import InputError
from benchmarks.published import Published
from harness.evaluation.tabled import TIMED, TableResult
from harness.report import folders, style, tables
from harness.report import published as report
from harness.report import published_plots as plots


def figures(result: TableResult) -> list[str]:
    """Names of the figures of a result."""
    return ["published", "size", *(f"correlation_{dataset}" for dataset in result.protocol)]


def figure(result: TableResult, name: str) -> Figure:
    """A figure of a result.

    Raises:
        InputError: There is no such figure.
    """
    if name not in figures(result):
        raise InputError(f"unknown figure {name!r}; there are: {', '.join(figures(result))}")
    with style.house_style():
        if name == "published":
            return plots.published_figure(result.table, f"Ours against {result.published.source}")
        if name == "size":
            return plots.size_figure(result.table, "Right ranking, or ranking by size?")
        dataset = name.removeprefix("correlation_")
        tau, _ = result.matrices[dataset]
        return plots.correlation_figure(tau, f"{dataset}: Kendall's tau between methods")


def write(result: TableResult, folder: Path) -> list[Path]:
    """Write data, tables and figures of a paper's table, from the result alone.

    Returns:
        The files.

    Raises:
        InputError: The folder cannot be written.
    """
    published, key = result.published, result.published.key
    protocols = {dataset: list(lines) for dataset, lines in result.protocol.items()}
    said = {
        "key": key,
        "title": published.title,
        "set": published.set_name,
        "source": published.source,
        "protocol": published.protocol,
        "notes": list(published.notes),
        "frame": published.frame.to_csv(index=False).splitlines(),
    }
    written = folders.write(
        folder, "table", result.facts, protocols, forward=dict(result.forward), published=said
    )
    heat_maps = {dataset: f"correlation_{dataset}.png" for dataset in protocols}
    comparison, matrices = result.table, result.matrices
    texts = {
        f"{key}.csv": tables.evaluation_csv(comparison),
        f"{key}.md": report.page(comparison, published, protocols, ["published.png"]),
        f"{key}.tex": report.latex(comparison, published, protocols),
        "correlation.csv": tables.evaluation_csv(result.correlations),
        "correlation.md": report.correlation_page(matrices, comparison, heat_maps),
        "cost.csv": tables.evaluation_csv(result.cost),
        "cost.md": report.cost_page(result.cost, _cost_protocol(result)),
    }
    written += [folders.text(folder / name, content) for name, content in texts.items()]
    for name in figures(result):
        made = figure(result, name)
        with style.house_style():
            written += style.save(made, folder / name)
    return written


def load(folder: Path) -> TableResult:
    """A result that `write` wrote.

    Raises:
        InputError: The folder holds none, or is damaged.
    """
    held = folders.read(folder)
    try:
        said = held["published"]
        published = Published(
            key=said["key"],
            title=said["title"],
            set_name=said["set"],
            frame=folders.csv("\n".join(said["frame"])),
            source=said["source"],
            protocol=said["protocol"],
            notes=tuple(said["notes"]),
        )
        names = (f"{published.key}.csv", "correlation.csv", "cost.csv")
        table, correlations, cost = (
            folders.csv((folder / name).read_text(encoding="utf-8")) for name in names
        )
        return TableResult(
            _typed(table), correlations, cost.assign(batch=_text(cost["batch"])),
            held["protocol"], held["forward"], held["facts"], published,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} holds no whole table ({type(error).__name__}: {error}); make it again"
        ) from error


def _text(column: pd.Series) -> pd.Series:
    """Text that may look like numbers, and is empty where there is none."""
    return column.map(lambda v: "" if pd.isna(v) else f"{v:g}" if isinstance(v, float) else str(v))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """The comparison with the types that it had: text, and true or false."""
    flags = [name for name in table if name == "in_paper" or str(name).endswith("_outside")]
    text = [name for name in ("batch", "input", "label", "method") if name in table]
    return table.assign(
        **{str(name): table[name].astype(bool) for name in flags},
        **{name: _text(table[name]) for name in text},
    )


def _cost_protocol(result: TableResult) -> list[str]:
    passes = ", ".join(f"{dataset} {ms:.3g} ms" for dataset, ms in result.forward.items())
    return [
        "ms/arch: mean over the n architectures of the row, as timed when they were scored, one "
        "thread (on a GPU, several workers share it); of an aggregate, of its proxies together",
        f"forward passes: mean time of {TIMED} architectures (all, where there are fewer) "
        "over that of one forward pass of the same architectures, timed in this run: the row's "
        "batch of noise (where a proxy sees none, that asked for), eval mode, no gradients, one "
        "thread, the fastest of three",
        f"a forward pass took: {passes}",
        "no forward passes are given where the scores were made on another device than this run's",
        "models cost what the scores they read cost; seconds come from the machine that made the "
        "scores, and whatever else it was doing",
    ]
