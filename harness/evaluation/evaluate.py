"""Scores and accuracies in, evaluation out: one row a proxy, every metric with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.metrics import Array, Indices, TauColumn, Weights

#: Size columns that every proxy is correlated with.
SIZES = ("params", "flops", "layers")
#: Share of the architectures that counts as "top" in the precision.
TOP_SHARE = 0.05


@dataclass(frozen=True)
class Scores:
    """Scores of one proxy.

    Attributes:
        values: One row an architecture id, one column a seed; NaN where scoring failed.
        seconds: Mean seconds an architecture.
    """

    values: pd.DataFrame
    seconds: float


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
        One row a proxy: `proxy`, `n`, `failed`, `seeds`; `kendall_tau`, `spearman`, `ndcg`,
        `top1_accuracy`, `top1_regret`, `precision_top5`, `tau_params`, `tau_flops`,
        `tau_layers`, `partial_tau_params`, `tau_minus_params`, each with `_low`, `_high` and
        `_sd` (over seeds); `ndcg_p`, `tie_share`, `seconds`, `truth`.

    Raises:
        InputError: A proxy has fewer than three architectures to be judged on.
    """
    grounds: dict[bytes, Ground] = {}
    rows = []
    for name, scored in scores.items():
        values = scored.values
        usable = np.isfinite(values.to_numpy()).all(axis=1) & values.index.isin(truth.values.index)
        archs = values.index[usable]
        if len(archs) < 3:
            raise InputError(
                f"{name} has {len(archs)} architectures with both a score and an accuracy, of "
                f"{len(values)}; at least 3 are needed (see the status column of the store)"
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
        per_seed = [grounds[fingerprint].measure(column, top) for column in columns]
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


@dataclass(frozen=True)
class Measured:
    """A metric and its values under resampling.

    Attributes:
        value: On the architectures themselves.
        drawn: (resamples,) values.
    """

    value: float
    drawn: Array


class Ground:
    """What all proxies on the same architectures share: accuracies, sizes, resamples.

    Args:
        archs: Architecture ids; columns to `measure` have their order.
        truth: Accuracies of all of them.
        sizes: Columns `SIZES` of all of them, indexed by architecture id.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap and of the order of equal scores.
    """

    def __init__(
        self, archs: pd.Index, truth: Accuracies, sizes: pd.DataFrame, resamples: int, seed: int
    ) -> None:
        self.seed = seed
        self.accuracies: Array = np.asarray(truth.values.loc[archs], dtype=float)
        self.sizes: dict[str, Array] = {
            name: np.asarray(sizes.loc[archs, name], dtype=float) for name in SIZES
        }
        self.weights: Weights = metrics.bootstrap_weights(len(archs), resamples, seed)
        self._columns: dict[bytes, TauColumn] = {}
        self._taus: dict[tuple[bytes, bytes], Measured] = {}

    def _tau(self, x: Array, y: Array) -> Measured:
        """Tau of two columns; computed once for a pair of rankings."""
        a, b = sorted((_ranks(x).tobytes(), _ranks(y).tobytes()))
        if (a, b) not in self._taus:
            for column, fingerprint in ((x, _ranks(x).tobytes()), (y, _ranks(y).tobytes())):
                if fingerprint not in self._columns:
                    self._columns[fingerprint] = metrics.tau_column(column, self.weights)
            drawn = metrics.bootstrap_tau(self._columns[a], self._columns[b], self.weights)
            self._taus[a, b] = Measured(metrics.kendall_tau(x, y), drawn)
        return self._taus[a, b]

    def measure(self, scores: Array, top: int) -> dict[str, Measured]:
        """All metrics of one column of scores.

        Args:
            scores: (n,), finite.
            top: P of the nDCG.

        Returns:
            By the name of the column in `evaluate`'s table.
        """
        accuracies, params = self.accuracies, self.sizes["params"]
        result = {
            "kendall_tau": self._tau(scores, accuracies),
            "spearman": Measured(
                metrics.spearman_rho(scores, accuracies),
                metrics.bootstrap_spearman(scores, accuracies, self.weights),
            ),
        }
        at_top = metrics.bootstrap_top(
            scores, accuracies, self.weights, top=top, share=TOP_SHARE, tie_seed=self.seed
        )
        best = metrics.top1_accuracy(scores, accuracies, self.seed)
        single = {
            "ndcg": metrics.ndcg(scores, accuracies, top, self.seed),
            "top1_accuracy": best,
            "top1_regret": float(accuracies.max()) - best,
            "precision_top5": metrics.precision_at_top(scores, accuracies, TOP_SHARE, self.seed),
        }
        at_top["precision_top5"] = at_top.pop("precision_at_top")
        result |= {name: Measured(value, at_top[name]) for name, value in single.items()}
        for name in SIZES:
            result[f"tau_{name}"] = self._tau(scores, self.sizes[name])
        of_params = self._tau(params, accuracies)
        tau, with_params = result["kendall_tau"], result["tau_params"]
        partial = metrics.partial_tau(tau.value, with_params.value, of_params.value)
        result["partial_tau_params"] = Measured(
            float(partial), metrics.partial_tau(tau.drawn, with_params.drawn, of_params.drawn)
        )
        result["tau_minus_params"] = Measured(
            tau.value - of_params.value, tau.drawn - of_params.drawn
        )
        return result


def _ranks(values: Array) -> Indices:
    ranks: NDArray[np.intp] = np.unique(values, return_inverse=True)[1]
    return ranks


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
