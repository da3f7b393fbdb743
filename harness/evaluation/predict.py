"""Model-driven rankings: a random forest learns accuracies from features of some cells.

Unlike a proxy, a model sees trained accuracies: those of its training cells. It is evaluated on
the other cells alone, over several random splits. The models are the last four rows of the
VKDNW paper's Table 1 (Tybl and Neumann, CVPR 2025, arXiv:2502.04975): proxies' scores, GRAF
features (`benchmarks.types.HasFeatures`), or both, into scikit-learn's regressor.

scikit-learn comes with the extra `[predict]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from benchmarks.errors import InputError
from benchmarks.registry import Registry
from benchmarks.truth import Accuracies
from harness.evaluation import metrics
from harness.evaluation.declared import measure
from harness.evaluation.evaluate import summary
from harness.evaluation.ground import Ground, Measured, Scores
from harness.evaluation.metrics import Array, Indices

#: Seeds of the splits, and of their forests.
SPLITS = (1, 2, 3, 4, 5)
#: Training cells of the paper's protocol; of a smaller set, half of it.
TRAIN = 1024
#: Trees of a forest. The published VKDNW_m row is that of 300; for the others it is all one.
TREES = 300


@dataclass(frozen=True)
class Model:
    """What a forest sees.

    Attributes:
        name: What its row is called.
        members: Names of proxies, or of parts of them, whose scores are features.
        graf: Whether the GRAF features are too; not every space has them.
        paper: Where it comes from.
        summary: What it is, in a line.
    """

    name: str
    members: tuple[str, ...]
    graf: bool
    paper: str
    summary: str


@dataclass(frozen=True)
class Features:
    """A model's features of a set of architectures.

    Attributes:
        tables: For every seed of the scores, one row an architecture and one column a feature;
            NaN or infinite where a score failed. All have the same rows.
        seconds: Mean seconds an architecture: what the scores cost.
    """

    tables: Sequence[pd.DataFrame]
    seconds: float


_VKDNW = (*(f"vkdnw.decile_{k}" for k in range(1, 10)), "layers", "flops")
_ZCS = (
    "az_nas.expressivity", "az_nas.progressivity", "az_nas.trainability", "jacov",
    "gradsign.mean", "zico", "zen", "grad_norm", "nwot", "synflow", "snip", "grasp",
    "te_nas.ntk", "te_nas.linear_regions",
)  # fmt: skip
_PAPER = "arXiv:2502.04975"

#: The paper's models, by name.
MODELS: Registry[Model] = Registry("model")

for _model in (
    Model("graf_m", (), True, "arXiv:2404.16551", "GRAF features alone."),
    Model("vkdnw_m", _VKDNW, False, _PAPER, "Deciles of the Fisher spectrum, layers, FLOPs."),
    Model("vkdnw_zcs_m", _VKDNW + _ZCS, False, _PAPER, "As vkdnw_m, and the zero-cost scores."),
    Model("vkdnw_zcs_graf_m", _VKDNW + _ZCS, True, _PAPER, "As vkdnw_zcs_m, and GRAF features."),
):
    MODELS.add(_model.name, _model)


def features_of(
    model: Model,
    scores: Mapping[str, Scores],
    archs: Sequence[str],
    seconds: float,
    graph: pd.DataFrame | None = None,
) -> Features:
    """Features of a model from the scores of its members.

    Args:
        model: Which.
        scores: Of its members, by name, all with the same seeds.
        archs: Ids of the architectures.
        seconds: What the scores cost, an architecture.
        graph: GRAF features of the architectures in the same order, if the model takes them.
    """
    if model.graf and graph is None:
        raise ValueError(f"{model.name} takes GRAF features")
    fixed = pd.DataFrame(index=pd.Index(archs)) if graph is None else graph
    seeds = range(scores[model.members[0]].values.shape[1] if model.members else 1)
    tables = []
    for seed in seeds:
        columns = {
            name: scores[name].values.iloc[:, seed].loc[list(archs)] for name in model.members
        }
        table = pd.DataFrame(columns, index=fixed.index)
        tables.append(pd.concat([table, fixed], axis=1))
    return Features(tables, seconds)


def split(n: int, seed: int, train: int = TRAIN) -> tuple[Indices, Indices]:
    """Positions of the training cells and of the others: scikit-learn's `train_test_split`.

    Args:
        n: How many cells there are, at least 6.
        seed: Of the split.
        train: Training cells, but at most half of all.

    Raises:
        InputError: There are fewer than six cells, or scikit-learn is missing.
    """
    if n < 6:
        raise InputError(
            f"a model needs at least 6 architectures with an accuracy to train on half of them, "
            f"there are {n}; take a larger --sample"
        )
    parts = load_sklearn().model_selection.train_test_split(
        np.arange(n), train_size=min(train, n // 2), random_state=seed
    )
    return parts[0], parts[1]


def predict(
    features: pd.DataFrame, accuracies: ArrayLike, train: Indices, *, seed: int, trees: int = TREES
) -> Array:
    """Accuracies that a forest predicts for the cells that it was not trained on.

    Standardised features, scikit-learn's `RandomForestRegressor` with its defaults. Failed
    scores become the smallest finite value of their column, +inf the largest. Those extremes and
    the scaling are the training cells' alone, as nothing else of the others is known.

    Args:
        features: (n, d); NaN or infinite where a score failed.
        accuracies: (len(train),) of the training cells, in percent, in the order of `train`.
        train: Positions of the training cells.
        seed: Of the forest.
        trees: Their number.

    Returns:
        (n - len(train),) predictions in percent, of the other cells in the order of `features`.

    Raises:
        InputError: A column has no finite value among the training cells, or scikit-learn is
            missing.
    """
    sklearn = load_sklearn()
    rest = np.setdiff1d(np.arange(len(features)), train)
    values = features.to_numpy(dtype=float)
    known, unknown = values[train], values[rest]
    finite = np.isfinite(known)
    dead = [
        str(name) for name, ok in zip(features.columns, finite.any(axis=0), strict=True) if not ok
    ]
    if dead:
        raise InputError(
            f"no training cell has a finite {', '.join(dead)}; score more architectures, or "
            "look at the status column of the store for why it fails"
        )
    lowest = np.where(finite, known, np.inf).min(axis=0)
    highest = np.where(finite, known, -np.inf).max(axis=0)
    known, unknown = (_clamped(part, lowest, highest) for part in (known, unknown))
    # Some scores reach 1e60, and the forest computes in float32: scale first.
    scaler = sklearn.preprocessing.StandardScaler().fit(known)
    forest = sklearn.ensemble.RandomForestRegressor(trees, random_state=seed, n_jobs=1)
    forest.fit(scaler.transform(known), accuracies)
    return np.asarray(forest.predict(scaler.transform(unknown)), dtype=float)


def _clamped(values: Array, lowest: Array, highest: Array) -> Array:
    """NaN and -inf become the column's `lowest`, +inf its `highest`."""
    filled = np.where(np.isnan(values) | (values == -np.inf), lowest, values)
    return np.where(filled == np.inf, highest, filled)


def evaluate_models(
    models: Mapping[str, Features],
    truth: Accuracies,
    sizes: pd.DataFrame,
    *,
    ndcg_p: Callable[[int], int],
    resamples: int = 1000,
    seed: int = 0,
    splits: Sequence[int] = SPLITS,
    train: int = TRAIN,
    trees: int = TREES,
) -> pd.DataFrame:
    """Evaluate models on the cells that they were not trained on.

    Every split trains a forest anew and measures its predictions on the other cells, as
    `harness.evaluation.evaluate.evaluate` measures scores. Split k of the list takes the
    scores' seed k, counted round where there are fewer seeds. A metric is its mean over the
    splits. The splits share most of their cells, so that their resamples are no independent
    draws: the ends of the interval are the means of the ends within each split, and not those
    of a mean.

    Args:
        models: Features by name.
        truth: Accuracies in percent, by architecture id.
        sizes: Columns `harness.evaluation.evaluate.SIZES`, indexed by architecture id.
        ndcg_p: P of the nDCG for n architectures.
        resamples: Bootstrap resamples within each split, for the 95 % intervals.
        seed: Of the bootstrap and of the order of equal predictions.
        splits: Their seeds.
        train: Training cells; at most half of those with an accuracy.
        trees: Of each forest.

    Returns:
        The columns of `harness.evaluation.evaluate.evaluate`, and `trained_on`. `n` is the number
        of cells that a split is evaluated on, `failed` counts those without an accuracy, `seeds`
        the splits; `_sd` is over splits.

    Raises:
        InputError: There are too few architectures, a feature is nowhere finite, or
            scikit-learn is missing.
    """
    grounds: dict[tuple[bytes, int], Ground] = {}
    rows = []
    for name, features in models.items():
        index = features.tables[0].index
        archs = index[index.isin(truth.values.index)]
        accuracies = truth.values.loc[archs].to_numpy(dtype=float)
        measured: list[dict[str, Measured]] = []
        ties, tops = [], []
        for number, each in enumerate(splits):
            table = features.tables[number % len(features.tables)].loc[archs]
            chosen, _ = split(len(archs), each, train)
            predicted = predict(table, accuracies[chosen], chosen, seed=each, trees=trees)
            rest = archs.delete(chosen)
            # Several models on the same cells share a split, and what belongs to it.
            key = ("\n".join(rest).encode(), each)
            if key not in grounds:
                grounds[key] = Ground(rest, truth, sizes, resamples, seed)
            top = ndcg_p(len(rest))
            measured.append(measure(grounds[key].rank(predicted, top)))
            ties.append(metrics.tie_share(predicted))
            tops.append(min(top, len(rest)))
        row: dict[str, object] = {
            "proxy": name,
            "n": len(rest),
            "failed": len(index) - len(archs),
            "seeds": len(splits),
        }
        for metric in measured[0]:
            spans = np.array([metrics.interval(one[metric].drawn) for one in measured])
            low, high = spans.mean(axis=0)
            values = [one[metric].value for one in measured]
            row |= summary(metric, values, (float(low), float(high)))
        row["ndcg_p"] = tops[0]
        row["tie_share"] = float(np.mean(ties))
        row["seconds"] = features.seconds
        row["truth"] = truth.source
        row["trained_on"] = len(archs) - len(rest)
        rows.append(row)
    return pd.DataFrame(rows)


def model_line(evaluation: pd.DataFrame) -> str:
    """How the models of an evaluation were trained, as a line of the protocol."""
    rows = evaluation[evaluation["trained_on"].notna()]
    trained = ", ".join(f"{int(count):,}" for count in sorted(set(rows["trained_on"])))
    return (
        f"models ({', '.join(rows['proxy'])}): random forest of {TREES} trees trained on the "
        f"accuracies of {trained} random architectures, evaluated on the others; mean over "
        f"{len(SPLITS)} splits"
    )


def load_sklearn() -> Any:
    """scikit-learn, with the modules that a model needs.

    Raises:
        InputError: It is not installed.
    """
    try:
        import sklearn.ensemble
        import sklearn.model_selection
        import sklearn.preprocessing
    except ImportError as error:
        raise InputError(
            f"models need scikit-learn ({error}); pip install 'nas-proxy-harness[predict]'"
        ) from error
    return sklearn
