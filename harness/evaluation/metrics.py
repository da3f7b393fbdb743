"""Ranking metrics: arrays in, numbers out.

Every metric takes the scores of a proxy and the accuracies of the same architectures, aligned,
finite, higher is better in both. Bootstrap versions take a matrix of resampling weights and
give one value a resample; they are exact, only much faster than resampling the arrays.

numpy and scipy only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, stats

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
#: How often each item is drawn: small whole numbers, float32 for the matrix products.
Weights = NDArray[np.float32]

# ------------------------------------------------------------------ single values


def kendall_tau(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b: (concordant - discordant) pairs, corrected for ties.

    Kendall, "The treatment of ties in ranking problems", Biometrika 1945.

    Args:
        x: (n,) values.
        y: (n,) values.

    Returns:
        In [-1, 1]; NaN where x or y is constant or n < 2.

    >>> round(kendall_tau([80, 70, 100, 90, 60, 50, 40, 30, 20, 10], range(10, 0, -1)), 2)
    0.82
    """
    x, y = _pair(x, y)
    return float(stats.kendalltau(x, y).statistic) if len(x) > 1 else float("nan")


def spearman_rho(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rho: Pearson correlation of the midranks.

    Args:
        x: (n,) values.
        y: (n,) values.

    Returns:
        In [-1, 1]; NaN where x or y is constant or n < 2.
    """
    x, y = _pair(x, y)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])


def partial_tau(tau_xy: ArrayLike, tau_xz: ArrayLike, tau_yz: ArrayLike) -> Array:
    """Kendall's partial tau of x and y given z, elementwise.

    (tau_xy - tau_xz tau_yz) / sqrt((1 - tau_xz^2) (1 - tau_yz^2)); Kendall, "Partial rank
    correlation", Biometrika 1942.

    Returns:
        NaN where x or y is a function of z's order (a factor below is 0).
    """
    xy, xz, yz = (np.asarray(t, dtype=float) for t in (tau_xy, tau_xz, tau_yz))
    below = (1 - xz**2) * (1 - yz**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(below > 1e-12, (xy - xz * yz) / np.sqrt(below), np.nan))


def ndcg(scores: ArrayLike, accuracies: ArrayLike, top: int, tie_seed: int = 0) -> float:
    """Normalised discounted cumulative gain of the best `top` by score.

    (1/Z) sum_{j=1}^{P} (2^acc_j - 1) / log2(1 + j), acc_j the accuracy in percent of the
    j-th best by score, Z the same sum in the true order (VKDNW paper, eq. 12). Equal scores
    are ordered by a seeded shuffle.

    Args:
        scores: (n,) scores.
        accuracies: (n,) accuracies in percent.
        top: P, at least 1; more than n means n.
        tie_seed: Of the shuffle.

    Returns:
        In [0, 1]; 1 for the true order, NaN for no architecture or all accuracies 0.

    >>> round(ndcg([80, 70, 100, 90, 60, 50, 40, 30, 20, 10], range(100, 0, -10), top=10), 2)
    0.5
    """
    scores, accuracies = _pair(scores, accuracies)
    if top < 1:
        raise ValueError(f"nDCG needs at least one rank, not {top}")
    order = ranking(scores, tie_seed)[:top]
    best = np.sort(accuracies)[::-1][:top]
    discount = 1 / np.log2(np.arange(2, len(best) + 2))
    ideal = float(_gain(best) @ discount)
    return float(_gain(accuracies[order]) @ discount) / ideal if ideal > 0 else float("nan")


def _gain(accuracies: Array) -> Array:
    gain: Array = np.exp2(accuracies) - 1
    return gain


def ranking(scores: ArrayLike, tie_seed: int = 0) -> Indices:
    """Indices from the best score to the worst, equal scores in a seeded random order."""
    scores = np.asarray(scores, dtype=float)
    shuffle = np.random.RandomState(tie_seed).permutation(len(scores))
    return shuffle[np.argsort(-scores[shuffle], kind="stable")]


def top1_accuracy(scores: ArrayLike, accuracies: ArrayLike, tie_seed: int = 0) -> float:
    """Accuracy of the architecture with the best score (ties by seeded shuffle)."""
    scores, accuracies = _pair(scores, accuracies)
    return float(accuracies[ranking(scores, tie_seed)[0]]) if len(scores) else float("nan")


def precision_at_top(
    scores: ArrayLike, accuracies: ArrayLike, share: float = 0.05, tie_seed: int = 0
) -> float:
    """Share of the architectures best by score that are among as many best by accuracy.

    Args:
        scores: (n,) scores.
        accuracies: (n,) accuracies.
        share: How many count as best, as a share of n, rounded, at least one.
        tie_seed: Of the shuffle that orders equal scores.

    Returns:
        In [0, 1]. An accuracy equal to the last one that counts as best is one of the best.
    """
    scores, accuracies = _pair(scores, accuracies)
    if not len(scores):
        return float("nan")
    count = top_count(len(scores), share)
    threshold = np.sort(accuracies)[::-1][count - 1]
    return float(np.mean(accuracies[ranking(scores, tie_seed)[:count]] >= threshold))


def top_count(n: int, share: float) -> int:
    """How many of n are the best `share`: rounded, at least one."""
    return max(1, round(share * n))


def tie_share(scores: ArrayLike) -> float:
    """Share of the values that occur more than once.

    >>> tie_share([1, 1, 2, 3])
    0.5
    """
    values = np.asarray(scores, dtype=float)
    _, counts = np.unique(values, return_counts=True)
    return float(counts[counts > 1].sum() / len(values)) if len(values) else 0.0


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"expected two vectors of one length, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a metric takes finite values; drop or replace the others first")
    return x, y


# ------------------------------------------------------------------ bootstrap


def bootstrap_weights(n: int, resamples: int, seed: int) -> Weights:
    """How often each of n items is drawn in each resample: (n, resamples), columns sum to n."""
    rng = np.random.RandomState(seed)
    weights = np.empty((n, resamples), dtype=np.float32)
    for column in range(resamples):
        weights[:, column] = np.bincount(rng.randint(0, n, n), minlength=n)
    return weights


def interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values; NaNs (degenerate resamples) are left out."""
    drawn = np.asarray(values, dtype=float)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


_BUCKET = 256  # measured at n = 15,625: 128 costs more in histograms, 512 in pairs


@dataclass(frozen=True)
class TauColumn:
    """A column prepared for many bootstrap taus.

    Values are split by rank into buckets. A bucket either holds one (often tied) value, or a
    run of neighbouring values with at most `_BUCKET` items.

    Attributes:
        rank: (n,) dense rank of each item.
        bucket: (n,) bucket of each item, increasing with rank.
        mixed: Items of each bucket that holds more than one value.
        tied_pairs: (resamples,) pairs with equal values in each resample.
    """

    rank: Indices
    bucket: Indices
    mixed: list[Indices]
    tied_pairs: Array


def tau_column(values: ArrayLike, weights: Weights) -> TauColumn:
    """Prepare a column for `bootstrap_tau` under the given resamples."""
    rank, counts = _dense_rank(values)
    bucket_of_rank = np.empty(len(counts), dtype=np.intp)
    bucket, filled = -1, _BUCKET
    for each, count in enumerate(counts):
        if filled + count > _BUCKET:
            bucket, filled = bucket + 1, 0
        bucket_of_rank[each] = bucket
        filled += int(count)
    members = bucket_of_rank[rank]
    order = np.argsort(members, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(members[order])) + 1)
    mixed = [group for group in groups if len(np.unique(rank[group])) > 1]
    drawn = _sum_by_group(rank, len(counts), weights).astype(np.float64)
    return TauColumn(rank, members, mixed, (drawn * (drawn - 1) / 2).sum(axis=0))


def bootstrap_tau(x: TauColumn, y: TauColumn, weights: Weights) -> Array:
    """Kendall's tau-b of every resample, exactly as on the resampled arrays.

    Concordant minus discordant pairs are counted in two parts. Pairs in different buckets of
    both x and y are counted through the joint histogram of buckets; pairs that share a bucket
    are few, and counted one by one, as a product with the matrix of their signs. This costs
    O(n) a resample, where sorting costs O(n log n) with a large constant.

    Args:
        x: Of `tau_column`, under the same weights.
        y: Likewise.
        weights: (n, resamples).

    Returns:
        (resamples,); NaN where a resample has a constant column.
    """
    net = _across_buckets(x, y, weights)
    for group in x.mixed:
        net += _within(group, x, y, weights, skip_shared_x=False)
    for group in y.mixed:
        net += _within(group, x, y, weights, skip_shared_x=True)
    size = weights.sum(axis=0, dtype=np.float64)
    pairs = size * (size - 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: Array = net / np.sqrt((pairs - x.tied_pairs) * (pairs - y.tied_pairs))
    return np.where(np.isfinite(tau), tau, np.nan)


def _across_buckets(x: TauColumn, y: TauColumn, weights: Weights) -> Array:
    """Concordant minus discordant pairs in different buckets of both columns."""
    rows, columns = int(x.bucket.max()) + 1, int(y.bucket.max()) + 1
    cell = x.bucket * columns + y.bucket
    net = np.empty(weights.shape[1])
    # Blocks of resamples, so that the histograms stay in cache.
    for part in _blocks(weights.shape[1], max(8, 2**19 // (rows * columns))):
        # Counts stay below 2^24, so float32 holds them exactly.
        histogram = _sum_by_group(cell, rows * columns, weights[:, part])
        histogram = histogram.reshape(rows, columns, -1)
        # Drawn in earlier x buckets, by y bucket; then those left of a y bucket less those right.
        earlier = np.cumsum(histogram, axis=0) - histogram
        left = np.cumsum(earlier, axis=1)
        balance = 2 * left - earlier - left[:, -1:]
        net[part] = (histogram * balance).sum(axis=(0, 1), dtype=np.float64)
    return net


def _within(
    group: Indices, x: TauColumn, y: TauColumn, weights: Weights, *, skip_shared_x: bool
) -> Array:
    """Concordant minus discordant pairs inside one bucket."""
    x_rank, y_rank = x.rank[group], y.rank[group]
    signs = np.sign(x_rank[:, None] - x_rank) * np.sign(y_rank[:, None] - y_rank)
    if skip_shared_x:  # counted already, with the bucket of x
        signs[x.bucket[group][:, None] == x.bucket[group]] = 0
    # Exact in float32: small integers, and a bucket has few items.
    drawn = weights[group]
    return np.asarray((drawn * (signs.astype(np.float32) @ drawn)).sum(axis=0) / 2, dtype=float)


def bootstrap_spearman(x: ArrayLike, y: ArrayLike, weights: Weights) -> Array:
    """Spearman's rho of every resample, exactly as on the resampled arrays.

    Args:
        x: (n,) values.
        y: (n,) values.
        weights: (n, resamples).

    Returns:
        (resamples,); NaN where a resample has a constant column.
    """
    x_dense, y_dense = _dense_rank(x), _dense_rank(y)
    rho = np.empty(weights.shape[1])
    for part in _blocks(weights.shape[1], max(8, 2**21 // max(1, len(weights)))):
        drawn = weights[:, part]
        x_rank, y_rank = _midranks(*x_dense, drawn), _midranks(*y_dense, drawn)
        weighted = x_rank * drawn
        covariance = np.einsum("ib,ib->b", weighted, y_rank)
        variances = np.einsum("ib,ib->b", weighted, x_rank) * np.einsum(
            "ib,ib,ib->b", y_rank, y_rank, drawn
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            rho[part] = covariance / np.sqrt(variances)
    return np.where(np.isfinite(rho), rho, np.nan)


def _midranks(rank: Indices, counts: Indices, weights: Weights) -> Array:
    """Centred midrank of every item within each resample: (n, resamples)."""
    drawn = _sum_by_group(rank, len(counts), weights).astype(np.float64)
    last = np.cumsum(drawn, axis=0)
    centred: Array = last - (drawn - 1) / 2 - (last[-1] + 1) / 2
    return centred[rank]


def bootstrap_top(
    scores: ArrayLike,
    accuracies: ArrayLike,
    weights: Weights,
    *,
    top: int,
    share: float = 0.05,
    tie_seed: int = 0,
) -> dict[str, Array]:
    """nDCG, top-1 accuracy and regret, and precision at the top, of every resample.

    An item drawn several times stands several times in the ranking, as in resampled arrays.

    Args:
        scores: (n,) scores.
        accuracies: (n,) accuracies in percent.
        weights: (n, resamples).
        top: P of the nDCG.
        share: Of `precision_at_top`.
        tie_seed: Of the shuffle that orders equal scores.

    Returns:
        `ndcg`, `top1_accuracy`, `top1_regret`, `precision_at_top`: (resamples,) each.
    """
    scores, accuracies = _pair(scores, accuracies)
    by_score = ranking(scores, tie_seed)
    by_accuracy = np.argsort(-accuracies, kind="stable")
    count = top_count(len(scores), share)
    names = ("ndcg", "top1_accuracy", "top1_regret", "precision_at_top")
    result = {name: np.empty(weights.shape[1]) for name in names}
    for index, drawn in enumerate(weights.T.astype(np.intp)):
        ranked = accuracies[np.repeat(by_score, drawn[by_score])]
        ideal = accuracies[np.repeat(by_accuracy, drawn[by_accuracy])]
        length = min(top, len(ideal))
        discount = 1 / np.log2(np.arange(2, length + 2))
        best = _gain(ideal[:length]) @ discount
        result["ndcg"][index] = _gain(ranked[:length]) @ discount / best if best > 0 else np.nan
        result["top1_accuracy"][index] = ranked[0]
        result["top1_regret"][index] = ideal[0] - ranked[0]
        result["precision_at_top"][index] = np.mean(ranked[:count] >= ideal[count - 1])
    return result


def _dense_rank(values: ArrayLike) -> tuple[Indices, Indices]:
    """Dense rank (0 the lowest) of every item, and how many items have each rank."""
    _, rank, counts = np.unique(
        np.asarray(values, dtype=float), return_inverse=True, return_counts=True
    )
    return rank, counts


def _sum_by_group(group: Indices, groups: int, weights: Weights) -> Weights:
    """Sum of the rows of each group: (groups, resamples)."""
    items = len(group)
    ones = np.ones(items, dtype=np.float32)
    members = sparse.csr_array((ones, (group, np.arange(items))), shape=(groups, items))
    return np.asarray(members @ weights)


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
