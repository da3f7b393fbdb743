"""Is one proxy better than another? Paired differences of metrics, under the same resamples.

Intervals of two proxies may overlap although one is better in nearly every resample: both rise and
fall with the architectures that are drawn. So the difference is taken within each resample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.declared import comparable, measure
from harness.evaluation.ground import FEWEST, Ground, Measured, Scores
from harness.evaluation.metrics import Array

COLUMNS = ("a", "b", "metric", "n", "difference", "low", "high", "share_above")


def compare(
    first: Scores,
    second: Scores,
    truth: Accuracies,
    sizes: pd.DataFrame,
    *,
    ndcg_p: Callable[[int], int],
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """How much better one proxy ranks than another: the first less the second.

    Both are measured on the architectures that have an accuracy and a finite score of both for
    every seed, in the same resamples; with several seeds, each by its mean over seeds, as in
    `harness.evaluation.evaluate.evaluate`.

    Args:
        first: Scores of one.
        second: Scores of the other.
        truth: Accuracies in percent, by architecture id.
        sizes: Columns `harness.evaluation.ground.SIZES`, indexed by architecture id.
        ndcg_p: P of the nDCG for n architectures.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap and of the order of equal scores.

    Returns:
        One row a metric that is declared as comparable: `metric`, `n`, `difference`, the ends
        of its 95 % interval `low` and `high`, and `share_above`, the share of the resamples in
        which it is above 0 (where it is 0, half).

    Raises:
        InputError: They share fewer than three architectures.
    """
    rows = compare_all(
        {"first": first, "second": second}, truth, sizes, against="second",
        ndcg_p=ndcg_p, resamples=resamples, seed=seed,
    )  # fmt: skip
    return rows.drop(columns=["a", "b"])


def compare_all(
    scores: Mapping[str, Scores],
    truth: Accuracies,
    sizes: pd.DataFrame,
    *,
    ndcg_p: Callable[[int], int],
    against: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every pair of proxies, or all with one.

    Args:
        scores: By name.
        truth: As in `compare`, like what follows.
        sizes: Likewise.
        ndcg_p: Likewise.
        against: Only pairs with this one, as `b`; default: every pair, `a` before `b` in the
            order of the scores.
        resamples: As in `compare`.
        seed: Likewise.

    Returns:
        The rows of `compare`, with the names `a` and `b` before them.

    Raises:
        InputError: There are no scores of `against`, or a pair shares fewer than three
            architectures.
    """
    names = list(scores)
    if against is not None and against not in scores:
        raise InputError(f"there are no scores of {against} here; there are: {', '.join(names)}")
    if against is None:
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    else:
        pairs = [(a, against) for a in names if a != against]
    usable = {name: scored.values.index[scored.usable(truth)] for name, scored in scores.items()}
    # Pairs on the same architectures share a ground, and what has been measured there.
    shared: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for a, b in pairs:
        archs = usable[a] if usable[a].equals(usable[b]) else _both(usable[a], usable[b])
        if len(archs) < FEWEST:
            raise InputError(
                f"{a} and {b} share {len(archs)} architectures with scores and an accuracy; at "
                f"least {FEWEST} are needed"
            )
        shared.setdefault(tuple(archs), []).append((a, b))
    rows: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for ids, those in shared.items():
        index = pd.Index(ids)
        ground = Ground(index, truth, sizes, resamples, seed)
        there = list(dict.fromkeys(name for pair in those for name in pair))
        top = ndcg_p(len(index))
        measured = {name: _mean(ground, scores[name].values.loc[index], top) for name in there}
        for a, b in those:
            rows[a, b] = _rows(a, b, len(index), measured[a], measured[b])
    return pd.DataFrame([row for pair in pairs for row in rows[pair]], columns=pd.Index(COLUMNS))


def _both(first: pd.Index, second: pd.Index) -> pd.Index:
    return first[first.isin(second)]


def _mean(ground: Ground, values: pd.DataFrame, top: int) -> dict[str, Measured]:
    """Comparable metrics of a proxy, each the mean over its seeds."""
    per_seed = [
        measure(ground.rank(np.asarray(values[each], dtype=float), top), comparable())
        for each in values.columns
    ]
    return {
        name: Measured(
            float(np.mean([one[name].value for one in per_seed])),
            np.mean([one[name].drawn for one in per_seed], axis=0),
        )
        for name in per_seed[0]
    }


def _rows(
    a: str, b: str, n: int, first: Mapping[str, Measured], second: Mapping[str, Measured]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for metric, measured in first.items():
        drawn = measured.drawn - second[metric].drawn
        low, high = metrics.interval(drawn)
        difference = measured.value - second[metric].value
        rows.append((a, b, metric, n, difference, low, high, share_above(drawn)))
    return rows


def share_above(drawn: Array) -> float:
    """Share of the values above 0, where a 0 counts half; NaNs are left out.

    >>> share_above(np.array([0.1, 0.0, -0.1, 0.2]))
    0.625
    """
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return float("nan")
    return float(np.mean((finite > 0) + 0.5 * (finite == 0)))


def turned(pairs: pd.DataFrame, against: str) -> pd.DataFrame:
    """Of all pairs those with one proxy, each turned so that it is `b`.

    Args:
        pairs: Of `compare_all`.
        against: The one.
    """
    first = pairs["a"] == against
    back = pairs[first].assign(
        a=pairs["b"], b=pairs["a"], difference=-pairs["difference"],
        low=-pairs["high"], high=-pairs["low"], share_above=1 - pairs["share_above"],
    )  # fmt: skip
    kept = pd.concat([back, pairs[pairs["b"] == against]]).sort_index(kind="stable")
    return kept.reset_index(drop=True)
