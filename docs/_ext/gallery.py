"""The gallery: a page a proxy, written from the registry and the committed results at every build.

The pages lie in docs/proxies/, which is ignored by git. A new proxy gets its page by being there.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

from _ext.docstrings import escape, untyped
from benchmarks.errors import InputError
from harness import paths
from harness.evaluation.aggregates import AGGREGATES
from harness.evaluation.predict import MODELS
from harness.proxies import PROXIES
from harness.proxies._registry import Proxy

DOCS = Path(__file__).parents[1]
PAGES = DOCS / "proxies"
RESULTS = DOCS.parent / "results"
#: Those of a paper's table, whose folder and file have the paper's key.
_COLUMNS = {"dataset", "method", "n", "kendall_tau", "kendall_tau_published"}
#: Taus on NAS-Bench-101.
OTHER = RESULTS / "nasbench101" / "cifar10" / "evaluation.csv"
#: Where the gallery's overview takes its tau and cost from.
DATASET = "cifar10"

_SEES = {"none": "no data", "gaussian": "Gaussian noise", "images": "real images"}
_WEIGHTS = {
    "kaiming": "Kaiming normal",
    "default": "PyTorch's default",
    "gaussian": "N(0, 1)",
    "none": "not read",
}


def names() -> list[str]:
    """Everything that ranks: proxies, aggregates, models; each name once."""
    return sorted({*PROXIES, *AGGREGATES, *MODELS})


def table_file() -> Path:
    """Taus of all methods on NAS-Bench-201, beside whose file their costs lie.

    Papers differ in their set of architectures; it is the table of the benchmark's first.

    Raises:
        InputError: There is none.
    """
    first = paths.tables_folder(RESULTS, "nasbench201")
    found = [
        file
        for file in sorted(RESULTS.glob("nasbench201/*/*.csv"))
        if set(pd.read_csv(file, nrows=0)) >= _COLUMNS
    ]
    if not found:
        raise InputError(f"there is no paper's table in {first}; make it with harness tables")
    return next((file for file in found if file.parent == first), found[0])


class Figures:
    """What the committed results say of every method."""

    def __init__(self) -> None:
        file = table_file()
        self.table = pd.read_csv(file)
        cost = pd.read_csv(file.with_name("cost.csv"))
        # A method's own batch stands behind its name there: "te_nas (batch 32)".
        self.cost = cost.assign(method=cost["method"].str.partition(" (")[0])
        self.other = pd.read_csv(OTHER)

    def taus(self, name: str) -> list[tuple[str, pd.Series]]:
        """Benchmark with dataset, and row, for every result that has the method."""
        rows = self.table[self.table["method"] == name]
        found = [(f"NAS-Bench-201, {row['dataset']}", row) for _, row in rows.iterrows()]
        others = self.other[self.other["proxy"] == name]
        return found + [("NAS-Bench-101, cifar10", row) for _, row in others.iterrows()]

    def costs(self, name: str) -> pd.DataFrame:
        """Rows of the cost table."""
        return self.cost[self.cost["method"] == name]


def page(name: str, figures: Figures) -> str:
    """The page of a method."""
    parts = [f"# {name}", ""]
    # A proxy without a score of its own only gives parts: the name is the aggregate's.
    proxy = PROXIES[name] if name in set(PROXIES) else None
    if name in set(AGGREGATES):
        aggregate = AGGREGATES[name]
        members = ", ".join(_linked(member) for member in aggregate.members)
        parts += [
            aggregate.summary,
            "",
            f"- Aggregate of ranks over a whole set of architectures: `{aggregate.formula}`",
            f"- Members: {members}",
            f"- Paper: {paper_link(aggregate.paper)}",
            "",
        ]
    if name in set(MODELS):
        parts += _of_model(name)
    if proxy is not None:
        parts += [] if proxy.has_score else ["## Its parts", ""]
        parts += _of_proxy(proxy)
    parts += _results(name, figures)
    return "\n".join(parts) + "\n"


def overview(figures: Figures) -> str:
    """The table of the gallery: one row a method, the best tau first."""
    found = []
    for name in names():
        rows = figures.table[(figures.table["method"] == name)]
        rows = rows[rows["dataset"] == DATASET]
        costs = figures.costs(name)
        costs = costs[costs["dataset"] == DATASET]
        tau = float(rows["kendall_tau"].iloc[0]) if len(rows) else float("nan")
        cost = _short(costs["milliseconds"].iloc[0]) if len(costs) else "-"
        cells = [f"[{name}](proxies/{name}.md)", _tau(rows), _n(rows), cost, _sees(name)]
        found.append((1.0 if math.isnan(tau) else -tau, cells))
    heading = ["method", "tau", "n", "ms a network", "sees"]
    lines = [heading, [":---", "---:", "---:", "---:", ":---"], *(c for _, c in sorted(found))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def paper_link(paper: str) -> str:
    """A paper as a link where it is an arXiv number.

    >>> paper_link("arXiv:2006.04647v1")
    '[arXiv:2006.04647v1](https://arxiv.org/abs/2006.04647v1)'
    """
    match = re.fullmatch(r"arXiv:(\S+)", paper)
    return f"[{paper}](https://arxiv.org/abs/{match[1]})" if match else paper or "none"


def docstring(text: str) -> str:
    """A docstring, or a part of it, as reStructuredText in a Markdown page."""
    lines = untyped(escape(text.split("\n")))
    # The sections only: napoleon, as Sphinx runs it on the API's functions.
    config: Any = Config(napoleon_use_param=False, napoleon_use_rtype=False)
    return f"```{{eval-rst}}\n.. default-role:: code\n\n{GoogleDocstring(lines, config)}\n```"


def _of_proxy(proxy: Proxy) -> Iterator[str]:
    summary, _, text = (inspect.getdoc(proxy.function) or "").partition("\n\n")
    yield from (docstring(summary), "")
    aliases = ", ".join(f"`{alias}`" for alias in PROXIES.aliases(proxy.name))
    if proxy.parts:
        parts = ", ".join(f"`{proxy.name}.{part}`" for part in proxy.parts)
        yield f"- Parts, which rank by themselves: {parts}"
    if proxy.needs == "costs":
        yield "- Reads the closed-form size; no network is built"
    else:
        yield f"- Input: {_SEES[proxy.input]}{_batches(proxy.batches)}"
        yield f"- Weights: {_WEIGHTS[proxy.init]}; mode: {proxy.mode}"
    if aliases:
        yield f"- Also called {aliases}"
    yield f"- Paper: {paper_link(proxy.paper)}"
    yield f"- Version {proxy.version}; file `harness/proxies/{_file(proxy)}`"
    yield ""
    yield docstring(text)
    yield ""


def _of_model(name: str) -> list[str]:
    model = MODELS[name]
    features = [*(_linked(member) for member in model.members), *(["GRAF"] if model.graf else [])]
    return [
        model.summary,
        "",
        "- Random forest trained on the accuracies of some cells, judged on the others: it is "
        "no training-free proxy",
        f"- Features: {', '.join(features)}",
        f"- Paper: {paper_link(model.paper)}",
        "",
    ]


def _results(name: str, figures: Figures) -> Iterator[str]:
    rows = figures.taus(name)
    if not rows:
        yield "No committed result has it."
        return
    yield "## Measured\n"
    yield "| benchmark | n | tau | published | batch | input |"
    yield "|:---|---:|---:|---:|---:|:---|"
    for where, row in rows:
        published = _number(row.get("kendall_tau_published"))
        batch, sees = row.get("batch"), row.get("input")
        size = "-" if pd.isna(batch) else str(batch).removesuffix(".0")
        seen = "-" if pd.isna(sees) else _input(str(sees))
        tau = _interval(row)
        yield f"| {where} | {int(row['n']):,} | {tau} | {published} | {size} | {seen} |"
    yield ""
    costs = figures.costs(name)
    if len(costs):
        yield "| dataset | n | ms a network | forward passes | batch | device |"
        yield "|:---|---:|---:|---:|---:|:---|"
        for _, row in costs.iterrows():
            batch = "-" if pd.isna(row["batch"]) else str(row["batch"]).removesuffix(".0")
            passes = _short(row["forward_passes"])
            yield (
                f"| {row['dataset']} | {int(row['n']):,} | {_short(row['milliseconds'])} "
                f"| {passes} | {batch} | {row['device']} |"
            )
        yield ""
    yield "[How these figures came about](../gallery.md#how-the-figures-came-about)."


def _file(proxy: Proxy) -> str:
    return Path(inspect.getsourcefile(proxy.function) or "").name


def _batches(count: int) -> str:
    return "" if count == 1 else f", {count} batches"


def _linked(member: str) -> str:
    proxy = member.partition(".")[0]
    return f"[`{member}`]({proxy}.md)"


def _sees(name: str) -> str:
    if name in set(MODELS):
        return "accuracies of some cells"
    if name in set(AGGREGATES):
        return "ranks of the set"
    proxy = PROXIES[name]
    return "size alone" if proxy.needs == "costs" else _SEES[proxy.input]


def _input(text: str) -> str:
    return {"none": "no data", "gaussian": "Gaussian noise"}.get(text, f"{text} images")


def _tau(rows: pd.DataFrame) -> str:
    return _interval(rows.iloc[0]) if len(rows) else "-"


def _n(rows: pd.DataFrame) -> str:
    return f"{int(rows['n'].iloc[0]):,}" if len(rows) else "-"


def _interval(row: pd.Series) -> str:
    low, high = row["kendall_tau_low"], row["kendall_tau_high"]
    return f"{row['kendall_tau']:.3f} [{low:.3f}, {high:.3f}]"


def _number(value: Any) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.3f}"


def _short(value: float) -> str:
    return "< 0.01" if value < 0.01 else f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def write(app: Any) -> None:
    """Write all pages; those that are unchanged keep their time, so that builds are quick."""
    figures = Figures()
    PAGES.mkdir(exist_ok=True)
    pages = {f"{name}.md": page(name, figures) for name in names()}
    pages["overview.txt"] = overview(figures)
    for stale in {file.name for file in PAGES.iterdir()} - set(pages):
        (PAGES / stale).unlink()
    for name, text in pages.items():
        file = PAGES / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
