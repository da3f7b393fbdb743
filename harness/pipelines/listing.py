"""What there is, as frames."""

from __future__ import annotations

import pandas as pd

from benchmarks import BENCHMARKS
from benchmarks.types import count_of
from harness import paths as places
from harness.evaluation.aggregates import AGGREGATES
from harness.evaluation.predict import MODELS
from harness.proxies import PROXIES
from harness.search import ALGORITHMS


def proxies() -> pd.DataFrame:
    """Every proxy, aggregate and model."""
    rows = []
    for proxy in map(PROXIES.__getitem__, PROXIES):
        costs = proxy.needs == "costs"
        rows.append(
            {
                "kind": "proxy",
                "name": proxy.name,
                "aliases": ", ".join(PROXIES.aliases(proxy.name)),
                "what": proxy.summary,
                "paper": proxy.paper,
                "weights": "-" if costs else proxy.init,
                "mode": "-" if costs else proxy.mode,
                "input": "sizes" if costs else proxy.input,
            }
        )
    for each in map(AGGREGATES.__getitem__, AGGREGATES):
        row = {"kind": "aggregate", "name": each.name, "what": each.summary}
        rows.append({**row, "paper": each.paper, "formula": each.formula})
    for model in map(MODELS.__getitem__, MODELS):
        row = {"kind": "model", "name": model.name, "what": model.summary, "paper": model.paper}
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def algorithms() -> pd.DataFrame:
    """Every search algorithm."""
    found = map(ALGORITHMS.__getitem__, ALGORITHMS)
    return pd.DataFrame([{"name": a.name, "what": a.summary, "paper": a.paper} for a in found])


def benchmarks() -> pd.DataFrame:
    """Every benchmark."""
    rows = []
    for benchmark in map(BENCHMARKS.__getitem__, BENCHMARKS):
        space = benchmark.space
        here = [truth.name for truth in benchmark.truths if truth.find() is not None]
        nothing = "none" if benchmark.truths else "a space without accuracies"
        rows.append(
            {
                "name": benchmark.name,
                "datasets": ", ".join(space.datasets),
                "sets": ", ".join(f"{s} ({count_of(space, s):,})" for s in space.sets),
                "truth": ", ".join(here) or nothing,
                "papers": ", ".join(benchmark.papers),
            }
        )
    return pd.DataFrame(rows)


def paths() -> pd.DataFrame:
    """Where the store, results, and data lie, and what sets it."""
    rows = [
        ("score store", places.store_file(), "HARNESS_STORE, --store"),
        ("results", places.SCRATCH.absolute(), "--out"),
        ("downloads, imported tables", places.cache_folder(), "HARNESS_CACHE"),
    ]
    rows += [("data", folder, "HARNESS_DATA") for folder in places.folders()[:-1]]
    columns = ["what", "where", "set by"]
    return pd.DataFrame([tuple(map(str, row)) for row in rows], columns=columns)
