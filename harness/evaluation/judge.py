"""Proxies and models in one table: on the same architectures, or each on what there is of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation.evaluate import evaluate
from harness.evaluation.ground import FEWEST, Scores
from harness.evaluation.predict import Features, evaluate_models


class Method(Protocol):
    """One method and what there is of it, as `harness.scores.coverage.Held`."""

    @property
    def name(self) -> str:
        """Proxy, aggregate or model."""

    @property
    def scores(self) -> Scores | None:
        """Indexed by all architectures asked for; None of a model."""

    @property
    def features(self) -> Callable[[], Features] | None:
        """Makes the features of a model; None of all others."""

    @property
    def records(self) -> int:
        """Architectures with a record, be it a failure."""

    @property
    def batch(self) -> str:
        """Its batch, in words."""

    @property
    def input(self) -> str:
        """What it sees, joined by "+"."""


def evaluate_all(
    scores: Mapping[str, Scores],
    features: Mapping[str, Features],
    truth: Accuracies,
    sizes: pd.DataFrame,
    *,
    ndcg_p: Callable[[int], int],
    resamples: int = 1000,
) -> pd.DataFrame:
    """Evaluate proxies, aggregates and models against accuracies: one table of all.

    Args:
        scores: By name.
        features: Of models, by name.
        truth: Accuracies in percent, by architecture id.
        sizes: Columns `harness.evaluation.ground.SIZES`, indexed by architecture id.
        ndcg_p: P of the nDCG for n architectures.
        resamples: Bootstrap resamples.

    Returns:
        The rows of `evaluate`, then those of `evaluate_models`. The column `trained_on` is
        there with a model.

    Raises:
        InputError: A name has too few scores.
    """
    tables = []
    if scores:
        tables.append(evaluate(scores, truth, sizes, ndcg_p=ndcg_p, resamples=resamples))
    if features:
        tables.append(evaluate_models(features, truth, sizes, ndcg_p=ndcg_p, resamples=resamples))
    return pd.concat(tables, ignore_index=True)


def evaluate_held(
    found: Sequence[Method],
    truth: Accuracies,
    sizes: pd.DataFrame,
    *,
    ndcg_p: Callable[[int], int],
    resamples: int = 1000,
) -> tuple[pd.DataFrame, list[str]]:
    """Evaluate methods, each on what there is of it.

    Args:
        found: Methods, all asked for with the same architectures.
        truth: Accuracies in percent, by architecture id.
        sizes: Columns `harness.evaluation.ground.SIZES`, of all architectures asked for.
        ndcg_p: P of the nDCG for n architectures.
        resamples: Bootstrap resamples for the 95 % intervals.

    Returns:
        As `harness.evaluation.evaluate.evaluate`, with `batch`, `input` and `trained_on` (NaN
        of all but models); `failed` counts records without a score. And why a method has no
        row.
    """
    tables, notes = [], []
    judged: dict[str, Scores] = {}
    for each in found:
        if each.scores is not None:
            usable = int(each.scores.usable(truth).sum())
            if usable >= FEWEST:
                judged[each.name] = each.scores
            else:
                notes.append(f"{each.name}: {usable} architectures with a score and an accuracy")
        elif each.features is not None:
            try:
                table = evaluate_models(
                    {each.name: each.features()}, truth, sizes, ndcg_p=ndcg_p, resamples=resamples
                )
                tables.append(table)
            except InputError as error:  # the other rows stand without it
                notes.append(f"{each.name}: {error}")
    if judged:
        tables.insert(0, evaluate(judged, truth, sizes, ndcg_p=ndcg_p, resamples=resamples))
    if not tables:
        return pd.DataFrame({"proxy": []}), notes
    evaluation = pd.concat(tables, ignore_index=True).reindex(
        columns=list(dict.fromkeys([*tables[0].columns, "trained_on"]))
    )
    by_name = {each.name: each for each in found}
    rows = [by_name[name] for name in evaluation["proxy"]]
    records = np.array([each.records for each in rows])
    scored = evaluation["n"] + evaluation["trained_on"].fillna(0)
    return evaluation.assign(
        failed=records - scored.to_numpy(dtype=int),  # what was never scored is no failure
        batch=[each.batch for each in rows],
        input=[each.input for each in rows],
    ), notes
