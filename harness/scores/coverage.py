"""What a store holds of a request, method by method, and evaluations of just that.

A table of many methods is made while some are still being scored, some only with a smaller
batch. Every method is therefore judged on the architectures and seeds that it has records of,
under one batch size a proxy, and says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.evaluate import SIZES, Scores, evaluate
from harness.evaluation.predict import MODELS, evaluate_models
from harness.proxies import PROXIES
from harness.scores.frames import features_of, proxies_of, scores_of
from harness.scores.store import Store
from harness.scoring.engine import Request

#: A row needs as many architectures; tau of fewer says nothing.
FEWEST = 3
#: A seed counts where it has records of this share of what the fullest seed has.
_NEARLY_ALL = 0.98


@dataclass(frozen=True)
class Held:
    """What there is of one method.

    Attributes:
        name: Proxy, aggregate or model.
        request: The part of what was asked for that the store holds, under one batch size a
            proxy; its proxies are those that the method needs.
        scores: Indexed by all architectures asked for, NaN where there is none; one column a
            seed of `request`. None of a model, which has no one score an architecture.
        devices: Where it was scored.
    """

    name: str
    request: Request
    scores: Scores | None
    devices: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What its proxies see, "none" left out where another sees something."""
        seen = {self.request.input_of(PROXIES[name]): None for name in self.request.proxies}
        return tuple(name for name in seen if name != "none") or ("none",)

    @property
    def batches(self) -> dict[str, int]:
        """Images in the batch of each of its proxies that see any."""
        sizes = {p: self.request.batch_size_of(PROXIES[p]) for p in self.request.proxies}
        return {proxy: size for proxy, size in sizes.items() if size}


def held(store: Store, request: Request, name: str) -> Held | None:
    """What the store holds of one method, or None where that is too little to rank.

    Of each proxy the requested batch size is taken if there are at least as many architectures
    with it as with any other, else the one with the most. A failure is a record too; an
    aggregate or a model needs records of all its members.

    Args:
        store: Read.
        request: Benchmark, dataset, architectures, seeds, batch size and input asked for; its
            proxies are not looked at.
        name: A proxy, an aggregate or a model.

    Raises:
        InputError: The name means nothing known.
    """
    request = replace(request, proxies=proxies_of([name]))
    own = {proxy: _fullest_batch(store, request, proxy) for proxy in request.proxies}
    best = _with_records(store, replace(request, batch_sizes=own))
    if len(best.archs) < FEWEST:
        return None
    scores = None
    if name not in MODELS:
        scores = scores_of(store, best, [name])[name]
        scores = replace(scores, values=scores.values.reindex(pd.Index(request.archs)))
    where = [best.column(PROXIES[proxy], best.seeds[0]) for proxy in best.proxies]
    devices = {str(device) for each in where for device in store.distinct("device", **each)}
    return Held(name, best, scores, tuple(sorted(devices)))


def _fullest_batch(store: Store, request: Request, proxy: str) -> int:
    """The batch size of a proxy with the most architectures; the one asked for if it is one."""
    asked = request.batch_size_of(PROXIES[proxy])
    key = {"benchmark": request.benchmark, "dataset": request.dataset, "proxy": proxy}
    others = {int(size) for size in store.distinct("batch_size", **key) if size} - {asked}

    def architectures(size: int) -> int:
        alone = replace(request, proxies=[proxy], batch_sizes={proxy: size})
        return len(_with_records(store, alone).archs)

    return max([asked, *sorted(others, reverse=True)], key=architectures)


def _with_records(store: Store, request: Request) -> Request:
    """The seeds and architectures of a request that have records of all its proxies."""
    by_seed: dict[int, set[str]] = {}
    for seed in request.seeds:
        archs = set(request.archs)
        for proxy in request.proxies:
            archs &= store.statuses(**request.column(PROXIES[proxy], seed)).keys()
        by_seed[seed] = archs
    most = max(map(len, by_seed.values()), default=0)
    seeds = [seed for seed, archs in by_seed.items() if len(archs) >= max(1, _NEARLY_ALL * most)]
    common = set.intersection(*(by_seed[seed] for seed in seeds)) if seeds else set()
    return replace(request, archs=[a for a in request.archs if a in common], seeds=seeds)


def evaluate_held(
    store: Store,
    found: Sequence[Held],
    truth: Accuracies,
    sizes: pd.DataFrame,
    *,
    resamples: int,
) -> tuple[pd.DataFrame, list[str]]:
    """Evaluate methods, each on what there is of it.

    Args:
        store: Read, for the features of models.
        found: Methods, all asked for with the same architectures.
        truth: Accuracies in percent, by architecture id.
        sizes: Of `harness.scores.frames.sizes_of`, for all architectures asked for.
        resamples: Bootstrap resamples for the 95 % intervals.

    Returns:
        As `harness.evaluation.evaluate.evaluate`, with `batch` (of `batch_text`), `input` and
        `trained_on` (NaN of all but models); `failed` counts records without a score. And
        why a method that is held has no row.
    """
    tables, notes = [], []
    judged: dict[str, Scores] = {}
    for each in found:
        top = BENCHMARKS[each.request.benchmark].ndcg_p
        if each.scores is not None:
            usable = _usable(each.scores, truth)
            if usable >= FEWEST:
                judged[each.name] = each.scores
            else:
                notes.append(f"{each.name}: {usable} architectures with a score and an accuracy")
            continue
        try:
            features = {each.name: features_of(store, each.request, each.name)}
            tables.append(evaluate_models(features, truth, sizes, ndcg_p=top, resamples=resamples))
        except InputError as error:  # the other rows stand without it
            notes.append(f"{each.name}: {error}")
    if judged:
        tables.insert(0, evaluate(judged, truth, sizes, ndcg_p=top, resamples=resamples))
    if not tables:
        return pd.DataFrame({"proxy": []}), notes
    evaluation = pd.concat(tables, ignore_index=True).reindex(
        columns=list(dict.fromkeys([*tables[0].columns, "trained_on"]))
    )
    by_name = {each.name: each for each in found}
    rows = [by_name[name] for name in evaluation["proxy"]]
    records = np.array([len(each.request.archs) for each in rows])
    scored = evaluation["n"] + evaluation["trained_on"].fillna(0)
    return evaluation.assign(
        failed=records - scored.to_numpy(dtype=int),  # what was never scored is no failure
        batch=[batch_text(each) for each in rows],
        input=["+".join(each.inputs) for each in rows],
    ), notes


def batch_text(each: Held) -> str:
    """The batch of a method: "64", or "64, te_nas 32".

    Where all proxies share one, it stands alone.
    """
    sizes = each.batches
    if len(set(sizes.values())) <= 1:
        return "".join(str(size) for size in set(sizes.values()))
    usual = each.request.batch_size
    others = [f"{proxy} {size}" for proxy, size in sizes.items() if size != usual]
    return ", ".join([str(usual), *others])


def _usable(scores: Scores, truth: Accuracies) -> int:
    values = scores.values
    finite = np.isfinite(values.to_numpy()).all(axis=1)
    return int((finite & values.index.isin(truth.values.index)).sum())


def correlations(
    found: Sequence[Held], truth: Accuracies, sizes: pd.DataFrame
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


def seconds_on(store: Store, each: Held, archs: Sequence[str]) -> float:
    """Mean seconds of a method on some of its architectures; NaN where one is not there."""
    if each.scores is None or not set(archs) <= set(each.request.archs):
        return float("nan")
    part = replace(each.request, archs=list(archs))
    return scores_of(store, part, [each.name])[each.name].seconds
