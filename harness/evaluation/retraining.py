"""What training the same architectures again says: how far accuracies can be trusted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.evaluation import metrics
from harness.evaluation.evaluate import Agreement
from harness.evaluation.ground import FEWEST


def between_seeds(
    repeats: pd.DataFrame,
    source: str,
    archs: Sequence[str] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Agreement | None:
    """Rank agreement of two trainings of the same architectures: its mean over pairs of seeds.

    Args:
        repeats: Accuracies, a row an architecture, a column a seed.
        source: Where they are from.
        archs: Only these; None: all. Those without a training of every seed are left out.
        resamples: Bootstrap resamples over architectures for the 95 % intervals.
        seed: Of the bootstrap.

    Returns:
        None where there is one seed, or where too few architectures have all.
    """
    chosen = repeats if archs is None else repeats.loc[repeats.index.intersection(pd.Index(archs))]
    chosen = chosen.dropna()
    if chosen.shape[1] < 2 or len(chosen) < FEWEST:
        return None
    columns = [chosen[name].to_numpy(dtype=float) for name in chosen.columns]
    pairs = list(itertools.combinations(columns, 2))
    weights = metrics.bootstrap_weights(len(chosen), resamples, seed)
    taus, rhos = [], []
    for x, y in pairs:
        prepared = metrics.tau_column(x, weights), metrics.tau_column(y, weights)
        taus.append(metrics.bootstrap_tau(*prepared, weights))
        rhos.append(metrics.bootstrap_spearman(x, y, weights))
    tau = float(np.mean([metrics.kendall_tau(x, y) for x, y in pairs]))
    rho = float(np.mean([metrics.spearman_rho(x, y) for x, y in pairs]))
    return Agreement(
        n=len(chosen),
        tau=(tau, *metrics.interval(np.mean(taus, axis=0))),
        spearman=(rho, *metrics.interval(np.mean(rhos, axis=0))),
        sources=(source, f"mean over the pairs of {chosen.shape[1]} seeds"),
    )
