"""`harness list ...`: what there is."""

from __future__ import annotations

import pandas as pd
import typer

from harness import api
from harness.cli import options as opt
from harness.cli.console import show_table

app = typer.Typer(help="What is there.", no_args_is_help=True)


def _show(title: str, frame: pd.DataFrame) -> None:
    rows = [list(map(str, frame.columns)), *(list(map(str, row)) for row in frame.to_numpy())]
    show_table(title, rows, text_columns=len(frame.columns))


@app.command()
def proxies(proxy_file: opt.ProxyFiles = None) -> None:
    """Every proxy, aggregate and model: what it is, where from, what it sees."""
    opt.use_proxy_files(proxy_file)
    found = api.list_proxies()
    titles = {
        "proxy": "Proxies",
        "aggregate": "Aggregates: ranks of a whole set, joined",
        "model": "Models: trained on the accuracies of some architectures",
    }
    columns = {
        "proxy": ["name", "aliases", "what", "paper", "weights", "mode", "input"],
        "aggregate": ["name", "what", "paper", "formula"],
        "model": ["name", "what", "paper"],
    }
    for kind, title in titles.items():
        _show(title, found.loc[found["kind"] == kind, columns[kind]])


@app.command()
def algorithms() -> None:
    """Every search algorithm: what it is, where from."""
    _show("Search algorithms", api.list_algorithms())


@app.command()
def benchmarks() -> None:
    """Every benchmark: datasets, architecture sets, sources of ground truth, papers."""
    _show("Benchmarks", api.list_benchmarks())


@app.command()
def paths() -> None:
    """Where the store, results, and data lie."""
    _show("Paths", api.list_paths())
