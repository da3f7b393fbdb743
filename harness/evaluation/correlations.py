"""Kendall's tau between methods, sizes and accuracy: what ranks alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.ground import FEWEST, SIZES
from harness.evaluation.judge import Method


def correlations(
    found: Sequence[Method], truth: Accuracies, sizes: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Kendall's tau between every pair of methods, the sizes and the accuracy.

    A pair is compared on the architectures that both have, seed by seed; the mean over the
    seeds of both.

    Args:
        found: Methods, all asked for with the same architectures.
        truth: Accuracies in percent, by architecture id.
        sizes: Columns `SIZES`, indexed by architecture id.

    Returns:
        Tau (NaN where there is no pair, or a constant column) and number of architectures:
        square, rows and columns `accuracy`, then by tau to it, the highest first.
    """
    columns: dict[str, pd.DataFrame | pd.Series] = {"accuracy": truth.values.reindex(sizes.index)}
    columns |= {name: sizes[name].astype(float) for name in SIZES}
    for each in found:
        if each.scores is not None and each.name not in columns:
            columns[each.name] = each.scores.values
    names = list(columns)
    tau, count = np.ones((len(names), len(names))), np.zeros((len(names), len(names)), dtype=int)
    for i, a in enumerate(names):
        for j, b in enumerate(names[: i + 1]):
            tau[i, j], count[i, j] = tau[j, i], count[j, i] = _tau(columns[a], columns[b])
    by_accuracy = np.where(np.isfinite(tau[0]), tau[0], -2)
    by_accuracy[0] = 2  # the accuracy itself comes first, whatever ties with it
    order = np.argsort(-by_accuracy, kind="stable")
    labels = [names[i] for i in order]
    square = np.ix_(order, order)
    return (
        pd.DataFrame(tau[square], index=labels, columns=labels),
        pd.DataFrame(count[square], index=labels, columns=labels),
    )


def _tau(a: pd.DataFrame | pd.Series, b: pd.DataFrame | pd.Series) -> tuple[float, int]:
    if isinstance(a, pd.DataFrame) and isinstance(b, pd.DataFrame):
        seeds = [seed for seed in a.columns if seed in b.columns]
        pairs = [(a[seed], b[seed]) for seed in seeds]
    else:
        lefts = [a[seed] for seed in a.columns] if isinstance(a, pd.DataFrame) else [a]
        rights = [b[seed] for seed in b.columns] if isinstance(b, pd.DataFrame) else [b]
        pairs = [(left, right) for left in lefts for right in rights]
    taus, fewest = [], None
    for left, right in pairs:
        x, y = left.to_numpy(dtype=float), right.to_numpy(dtype=float)
        both = np.isfinite(x) & np.isfinite(y)
        fewest = min(both.sum(), both.sum() if fewest is None else fewest)
        taus.append(metrics.kendall_tau(x[both], y[both]) if both.sum() >= FEWEST else np.nan)
    return (float(np.mean(taus)) if taus else float("nan")), int(fewest or 0)
