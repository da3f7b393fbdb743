"""Scores and accuracies in, evaluation out: one row a proxy, every metric with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.declared import measure
from harness.evaluation.ground import FEWEST, SIZES, Ground, Scores
from harness.evaluation.metrics import Array

__all__ = ["SIZES", "Agreement", "Scores", "agreement", "evaluate", "summary"]


@dataclass(frozen=True)
class Agreement:
    """How far two trainings of the same architectures agree.

    Attributes:
        n: Architectures in both.
        tau: Kendall's tau-b with its 95 % interval.
        spearman: Spearman's rho with its 95 % interval.
        sources: The two tables.
    """

    n: int
    tau: tuple[float, float, float]
    spearman: tuple[float, float, float]
    sources: tuple[str, str]


def evaluate(
    scores: Mapping[str, Scores],
    truth: Accuracies,
    sizes: pd.DataFrame,
    *,
    ndcg_p: Callable[[int], int],
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Evaluate proxies against trained accuracies.

    Every proxy is evaluated on the architectures that have a finite score for every seed and
    an accuracy. With several seeds each metric is the mean over seeds, beside its deviation;
    the interval is that of the mean under resampling of architectures. The comparison with
    #params is paired: the same architectures in the same resamples.

    Args:
        scores: By proxy name.
        truth: Accuracies in percent, by architecture id.
        sizes: Columns `SIZES`, indexed by architecture id.
        ndcg_p: P of the nDCG for n architectures.
        resamples: Bootstrap resamples for the 95 % intervals.
        seed: Of the bootstrap and of the order of equal scores.

    Returns:
        One row a proxy: `proxy`, `n`, `failed`, `seeds`; every metric of
        `harness.evaluation.declared` with `_low`, `_high` and `_sd` (over seeds); `ndcg_p`,
        `tie_share`, `seconds`, `truth`.

    Raises:
        InputError: A proxy has fewer than three architectures to be judged on.
    """
    grounds: dict[bytes, Ground] = {}
    rows = []
    for name, scored in scores.items():
        values = scored.values
        usable = scored.usable(truth)
        archs = values.index[usable]
        if len(archs) < FEWEST:
            raise InputError(
                f"{name} has {len(archs)} architectures with both a score and an accuracy, of "
                f"{len(values)}; at least {FEWEST} are needed (see the status column of the store)"
            )
        fingerprint = usable.tobytes()
        if fingerprint not in grounds:
            grounds[fingerprint] = Ground(archs, truth, sizes, resamples, seed)
        row: dict[str, object] = {
            "proxy": name,
            "n": len(archs),
            "failed": len(values) - len(archs),
            "seeds": values.shape[1],
        }
        top = ndcg_p(len(archs))
        columns: list[Array] = [np.asarray(values.loc[archs, each]) for each in values.columns]
        per_seed = [measure(grounds[fingerprint].rank(column, top)) for column in columns]
        for metric in per_seed[0]:
            single = [measured[metric].value for measured in per_seed]
            drawn = np.mean([measured[metric].drawn for measured in per_seed], axis=0)
            row |= summary(metric, single, metrics.interval(drawn))
        row["ndcg_p"] = min(top, len(archs))
        row["tie_share"] = float(np.mean([metrics.tie_share(column) for column in columns]))
        row["seconds"] = scored.seconds
        row["truth"] = truth.source
        rows.append(row)
    return pd.DataFrame(rows)


def summary(metric: str, values: Sequence[float], span: tuple[float, float]) -> dict[str, float]:
    """The four columns of a metric: mean of its values, interval, deviation of its values."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return {
        metric: float(np.mean(values)),
        f"{metric}_low": span[0],
        f"{metric}_high": span[1],
        f"{metric}_sd": sd,
    }


def agreement(
    first: Accuracies,
    second: Accuracies,
    archs: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Rank agreement of two independent trainings: the ceiling that any proxy faces.

    Args:
        first: One table's accuracies.
        second: Another's.
        archs: Architecture ids to look at; those in both tables count.
        resamples: Bootstrap resamples for the 95 % intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: They share fewer than three architectures.
    """
    both = first.values.index.intersection(second.values.index).intersection(pd.Index(archs))
    if len(both) < 3:
        raise InputError(f"{first.source} and {second.source} share {len(both)} architectures")
    x = first.values.loc[both].to_numpy(dtype=float)
    y = second.values.loc[both].to_numpy(dtype=float)
    weights = metrics.bootstrap_weights(len(both), resamples, seed)
    taus = metrics.bootstrap_tau(
        metrics.tau_column(x, weights), metrics.tau_column(y, weights), weights
    )
    rhos = metrics.bootstrap_spearman(x, y, weights)
    return Agreement(
        n=len(both),
        tau=(metrics.kendall_tau(x, y), *metrics.interval(taus)),
        spearman=(metrics.spearman_rho(x, y), *metrics.interval(rhos)),
        sources=(first.source, second.source),
    )
