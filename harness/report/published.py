"""A published table beside ours: the pages that show differences and marks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from benchmarks.published import Published
from harness.evaluation.declared import Metric, published_metrics
from harness.report import tables

#: Stands beside a published value that lies outside our interval.
MARK = "†"


def stem(published: Published) -> str:
    """What the files of a paper's table are called, without an ending."""
    return published.key


def _reported(comparison: pd.DataFrame, names: Sequence[str] | None = None) -> list[Metric]:
    """Metrics of which the paper has a figure, of those named."""
    return [
        metric
        for metric in published_metrics()
        if (names is None or metric.name in names)
        and comparison[f"{metric.name}_published"].notna().any()
    ]


# ------------------------------------------------------------------ Markdown and terminal


def _signed(value: float) -> str:
    return f"{value:+.3f}" if math.isfinite(value) else "-"


def _mark(row: pd.Series, metric: Metric) -> str:
    return f" {MARK}" if row[f"{metric.name}_outside"] else ""


def _n(row: pd.Series) -> str:
    return f"{int(row['n']):,}" if row["n"] else "-"


def _ours(metric: Metric) -> tables.Column:
    text = tables.with_interval(metric.name)
    return tables.Column(metric.short, lambda row: text(row) if row["n"] else "-")


def _published(metric: Metric) -> tables.Column:
    return tables.Column("published", lambda row: tables.number(row[f"{metric.name}_published"]))


def _difference(metric: Metric) -> tables.Column:
    return tables.Column(
        "difference", lambda row: _signed(row[f"{metric.name}_difference"]) + _mark(row, metric)
    )


_METHOD = tables.Column("method", lambda row: str(row["label"]))
_TYPE = tables.Column("type", lambda row: str(row["type"]))
_COUNT = tables.Column("n", _n)


def cells(rows: pd.DataFrame, names: Sequence[str] | None = None) -> list[list[str]]:
    """Heading and rows of one dataset: ours with its interval, published, difference, mark.

    Where the paper reports nothing of a metric, ours stands alone.

    Args:
        rows: Of `harness.evaluation.published.compare`.
        names: Of the metrics that are shown; default: all that papers report.
    """
    reported = _reported(rows)
    columns = [_METHOD, _TYPE, _COUNT]
    for metric in published_metrics():
        if names is None or metric.name in names:
            columns.append(_ours(metric))
            if metric in reported:
                columns += [_published(metric), _difference(metric)]
    return _rows(rows, columns)


def further_cells(rows: pd.DataFrame) -> list[list[str]]:
    """Heading and rows of methods that the paper does not report."""
    return _rows(rows, [_METHOD, _COUNT, *map(_ours, published_metrics())])


def _rows(rows: pd.DataFrame, columns: Sequence[tables.Column]) -> list[list[str]]:
    body = [[column.text(row) for column in columns] for _, row in rows.iterrows()]
    return [[column.title for column in columns], *body]


def page(
    comparison: pd.DataFrame,
    published: Published,
    protocols: Mapping[str, Sequence[str]],
    figures: Sequence[str],
) -> str:
    """The comparison as a Markdown page: for every dataset its tables and what they rest on.

    Args:
        comparison: Of `harness.evaluation.published.compare`, of all datasets.
        published: The paper's table.
        protocols: By dataset, lines that say what its figures rest on.
        figures: File names of pictures beside the page.
    """
    parts = [f"# {published.source}: ours beside the published values", verdict(comparison)]
    parts += [f"![{name.rpartition('.')[0]}]({name})" for name in figures]
    for dataset, protocol in protocols.items():
        rows = comparison[comparison["dataset"] == dataset]
        parts += [f"## {dataset}", tables.markdown(cells(rows[rows["in_paper"]]))]
        further = rows[~rows["in_paper"]]
        if len(further):
            parts += ["Not in the paper:", tables.markdown(further_cells(further))]
        parts.append("\n".join(f"- {line}" for line in protocol))
    parts.append(f"## Reading the tables\n\n{_legend(published)}")
    return "\n\n".join(parts) + "\n"


def _legend(published: Published) -> str:
    lines = [
        "In brackets: 95 % bootstrap intervals over architectures; ± the deviation over seeds. "
        "difference: ours less published.",
        f"{MARK}: the published value lies outside our interval. -: not published, or fewer than "
        "3 architectures scored.",
        "Of an aggregate, n counts the architectures that have a record of each of its members.",
        f"Published: {published.source}; {published.protocol}.",
        *(f"{note}." for note in published.notes),
        f"All columns: `{stem(published)}.csv`.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def inputs_line(rows: pd.DataFrame) -> str:
    """Which methods of a dataset got which batch and input, as a line of the protocol."""
    by_input: dict[str, list[str]] = {}
    for _, row in rows[rows["n"] > 0].iterrows():
        seen = " and ".join(map(tables.input_title, str(row["input"]).split("+")))
        kind = f"batch {row['batch']} of {seen}" if row["batch"] else seen
        by_input.setdefault(kind, []).append(str(row["method"]))
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in by_input.items())


def verdict(comparison: pd.DataFrame) -> str:
    """How many published values there are, and how many lie outside our intervals."""
    parts = []
    for metric in _reported(comparison):
        both = comparison[comparison[f"{metric.name}_difference"].notna()]
        outside = int(both[f"{metric.name}_outside"].sum())
        parts.append(f"{outside} of {len(both)} published values of {metric.long}")
    missing = comparison[comparison["in_paper"] & (comparison["n"] == 0)]
    text = f"Outside our 95 % intervals: {'; '.join(parts)}."
    if len(missing):
        by_dataset = missing.groupby("dataset", sort=False)["method"].agg(", ".join)
        text += " Not scored yet: " + "; ".join(f"{d}: {m}" for d, m in by_dataset.items()) + "."
    return text


# ------------------------------------------------------------------ LaTeX


def latex(
    comparison: pd.DataFrame, published: Published, protocols: Mapping[str, Sequence[str]]
) -> str:
    r"""The paper's methods as a LaTeX `tabular`, datasets side by side, for `\input`.

    Under our values the published ones, in brackets; a dagger where the published value is
    outside our interval. Needs the package booktabs.

    Args:
        comparison: Of `harness.evaluation.published.compare`, of all datasets.
        published: The paper's table.
        protocols: By dataset, lines that say what its figures rest on; they become comments.
    """
    datasets = list(protocols)
    rows = comparison[comparison["in_paper"]]
    metrics, reported = published_metrics(), _reported(rows)
    width = 1 + len(metrics)
    lines = [r"% Needs \usepackage{booktabs}. Brackets: " + published.source]
    lines += [f"% {name}: {line}" for name, protocol in protocols.items() for line in protocol]
    lines.append(rf"\begin{{tabular}}{{ll{('r' + 'c' * len(metrics)) * len(datasets)}}}")
    lines.append(r"\toprule")
    heads = [rf"\multicolumn{{{width}}}{{c}}{{{tables.escaped(name)}}}" for name in datasets]
    lines.append(" & ".join(["", "", *heads]) + r" \\")
    starts = [3 + width * index for index in range(len(datasets))]
    lines.append("".join(rf"\cmidrule(lr){{{start}-{start + width - 1}}}" for start in starts))
    titles = ["$n$", *map(tables.latex_title, metrics)] * len(datasets)
    lines += [" & ".join(["Method", "Type", *titles]) + r" \\", r"\midrule"]
    for method, kind in published.methods.items():
        ours, theirs = [tables.escaped(method), kind], ["", ""]
        for name in datasets:
            row = rows[(rows["dataset"] == name) & (rows["method"] == method)].iloc[0]
            batch = "" if row["label"] == row["method"] else f"batch {row['batch']}"
            ours.append(_n(row).replace(",", "{,}").replace("-", "--"))
            theirs.append(rf"{{\scriptsize {tables.escaped(batch)}}}" if batch else "")
            for metric in metrics:
                dagger = r"$^\dagger$" if row[f"{metric.name}_outside"] else ""
                ours.append(tables.latex_number(row[metric.name]) + dagger)
                value = tables.latex_number(row[f"{metric.name}_published"])
                theirs.append(rf"{{\scriptsize ({value})}}" if metric in reported else "")
        lines += [" & ".join(ours) + r" \\", " & ".join(theirs) + r" \\"]
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------ correlations and cost


def correlation_page(
    matrices: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    comparison: pd.DataFrame,
    figures: Mapping[str, str],
) -> str:
    """Correlations as a Markdown page: with accuracy and size, and between methods.

    Args:
        matrices: Of `harness.evaluation.correlations.correlations`, by dataset.
        comparison: Of `harness.evaluation.published.compare`, of all datasets.
        figures: File name of the heat map, by dataset.
    """
    parts = [
        "# Kendall's tau between methods, sizes and accuracy",
        "Every pair on the architectures that have both scores; with several seeds, the mean. "
        "One row a pair, with its n: `correlation.csv`. Model-driven rankings have no one score "
        "an architecture and stand in `size.png` alone.",
        "![tau to accuracy against tau to parameters](size.png)",
    ]
    for dataset, (tau, _) in matrices.items():
        parts += [f"## {dataset}", size_sentence(comparison, dataset)]
        parts.append(f"![Kendall's tau on {dataset}]({figures[dataset]})")
        names = list(map(str, tau.columns))
        body = [
            [name, *(tables.number(value, 2) for value in values)]
            for name, values in zip(names, tau.to_numpy(dtype=float), strict=True)
        ]
        parts.append(tables.markdown([["", *names], *body]))
    return "\n\n".join(parts) + "\n"


#: Tau to accuracy from which on a method counts as good in `size_sentence`.
GOOD = 0.5


def size_sentence(comparison: pd.DataFrame, dataset: str) -> str:
    """The good methods of a dataset, the least correlated with size first."""
    rows = comparison[comparison["dataset"] == dataset]
    good = rows[(rows["kendall_tau"] >= GOOD) & rows["tau_params"].notna()]
    if good.empty:
        return f"No method reaches a tau to accuracy of {GOOD}."
    ordered = good.sort_values("tau_params", kind="stable")
    listed = ", ".join(f"{r['label']} {r['tau_params']:.2f}" for _, r in ordered.iterrows())
    return (
        f"Tau to parameters of the methods with a tau to accuracy of at least {GOOD}, the least "
        f"first: {listed}."
    )


def cost_cells(cost: pd.DataFrame) -> list[list[str]]:
    """Heading and rows of the cost table.

    Args:
        cost: Columns `dataset`, `method`, `n`, `milliseconds`, `forward_passes` (NaN: not
            known), `batch` (text), `device`.
    """
    columns = [
        tables.Column("method", lambda row: str(row["method"])),
        tables.Column("dataset", lambda row: str(row["dataset"])),
        tables.Column("n", _n),
        tables.Column("ms/arch", lambda row: tables.milliseconds(row["milliseconds"] / 1000)),
        tables.Column("forward passes", lambda row: _few_digits(row["forward_passes"])),
        tables.Column("batch", lambda row: str(row["batch"]) or "-"),
        tables.Column("device", lambda row: str(row["device"])),
    ]
    return _rows(cost, columns)


def _few_digits(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def cost_page(cost: pd.DataFrame, protocol: Sequence[str]) -> str:
    """Costs as a Markdown page: table, and how they were measured."""
    lines = "\n".join(f"- {line}" for line in protocol)
    return f"# Cost of a score\n\n{tables.markdown(cost_cells(cost))}\n\n{lines}\n"
