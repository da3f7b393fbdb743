"""Tables of accuracies, closed-form costs, metrics with their intervals."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks import BENCHMARKS
from benchmarks.nasbench201.table import read_compact
from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.evaluate import SIZES, Scores, evaluate
from tests.bench.clock import seconds


def tables() -> None:
    """Loading the compact table (one of the same shape, made here), and the metrics."""
    space = BENCHMARKS["nasbench201"].space
    cells = space.architectures("all")
    rng = np.random.RandomState(0)
    accuracy = rng.uniform(10, 95, (len(cells), 3))
    columns = ("CIFAR10", "CIFAR100", "ImageNet")
    frame = pd.DataFrame(accuracy, columns=[f"{c}TestAccuracy200Epochs" for c in columns])
    frame["ArchitectureString"] = [cell.id for cell in cells]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nats_bench.csv"
        frame.to_csv(path, index=False)
        spent = seconds(lambda: read_compact(path))
        print(f"compact table, {len(cells):,} cells: {spent:.2f} s (< 0.5)")

    ids = pd.Index([cell.id for cell in cells])
    sizes = pd.DataFrame(
        [[getattr(space.costs(cell, "cifar10"), size) for size in SIZES] for cell in cells],
        index=ids,
        columns=list(SIZES),
    )
    truth = Accuracies(pd.Series(accuracy[:, 0], index=ids), "random", "random", "random")
    scores = {size: Scores(sizes[[size]].astype(float), 0.0) for size in SIZES}
    for k in range(3):
        noisy = accuracy[:, 0] + rng.normal(0, 10 * (k + 1), len(cells))
        scores[f"noisy{k}"] = Scores(pd.DataFrame({0: noisy}, index=ids), 0.0)
    spent = seconds(lambda: evaluate(scores, truth, sizes, ndcg_p=lambda n: round(1000 * n / 9445)))
    print(f"metrics with intervals, 6 proxies, {len(cells):,} rows: {spent:.1f} s (< 20)")

    x, y = accuracy[:, 0], accuracy[:, 1]
    weights = metrics.bootstrap_weights(len(x), 100, 0)
    drawn = weights.T.astype(int)
    columns_ = metrics.tau_column(x, weights), metrics.tau_column(y, weights)
    fast = seconds(lambda: metrics.bootstrap_tau(*columns_, weights))
    literal = seconds(
        lambda: [stats.kendalltau(np.repeat(x, w), np.repeat(y, w)).statistic for w in drawn]
    )
    print(
        f"bootstrap tau, {len(x):,} rows: {literal / fast:.1f}x "
        "scipy's kendalltau on the resampled arrays"
    )


def costs() -> None:
    """Closed-form costs of all cells."""
    space = BENCHMARKS["nasbench201"].space
    spent = seconds(lambda: [space.costs(cell, "cifar10") for cell in space.architectures("all")])
    print(f"closed-form costs: {1e6 * spent / 15_625:.1f} us a cell")
