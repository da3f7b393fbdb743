"""Search trajectories judged: tables in, numbers out. Knows neither spaces nor scores."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from harness.evaluation.metrics import Array

_RUN = ["algorithm", "proxy", "seed"]


def with_accuracy(frame: pd.DataFrame, accuracies: pd.Series[float]) -> pd.DataFrame:
    """The trajectory with what the architectures are worth.

    Args:
        frame: Of `harness.pipelines.searching.trajectory`, of any number of searches.
        accuracies: Percent, by architecture id.

    Returns:
        With the columns `accuracy` and `incumbent_accuracy`; NaN where there is none.
    """
    frame = frame.assign(accuracy=frame["architecture"].map(accuracies).astype(float))
    return frame.assign(incumbent_accuracy=of_incumbent(frame, "accuracy"))


def with_incumbent_rank(frame: pd.DataFrame) -> pd.DataFrame:
    """With `incumbent_rank`: the rank, 1 is the best, of the incumbent by the final scores of
    its search; equals share the best rank. At the end it is 1."""
    ranks = frame.groupby(_RUN, sort=False)["final_score"].rank(ascending=False, method="min")
    return frame.assign(incumbent_rank=of_incumbent(frame.assign(rank=ranks), "rank"))


def of_incumbent(frame: pd.DataFrame, column: str) -> Array:
    """A column's value for the incumbent of each row; searches lie one after another."""
    parts = [
        run[column].to_numpy(dtype=float)[run["incumbent"].to_numpy() - 1]
        for _, run in frame.groupby(_RUN, sort=False)
    ]
    return np.concatenate(parts)


def winners(frame: pd.DataFrame) -> pd.DataFrame:
    """The row of what each search found, its `evaluations` and the time that they took.

    Returns:
        One row a search; `evaluation` says when it was found. `scored` and `total_seconds` count
        each network once, `failed` counts evaluations, `best_seen` is the best accuracy visited.
    """
    rows = []
    for _, run in frame.groupby(_RUN, sort=False):
        row = run.iloc[int(run["incumbent"].iloc[-1]) - 1].to_dict()
        row["evaluations"] = len(run)
        row["scored"] = int(run["new"].sum())
        row["failed"] = int((run["status"] != "ok").sum())
        row["total_seconds"] = float(run["seconds"].sum())
        if "accuracy" in run:
            row["best_seen"] = float(run["accuracy"].max())
        rows.append(row)
    return pd.DataFrame(rows)


def summary(frame: pd.DataFrame, optimum: float | None) -> pd.DataFrame:
    """Means and standard deviations over seeds, one row for each algorithm and proxy.

    Args:
        frame: Trajectories; with accuracies if there is an optimum.
        optimum: The best accuracy that could have been found, percent; None: not known.

    Returns:
        `algorithm`, `proxy`, `seeds`, and `<figure>`, `<figure>_sd` of `accuracy`, `regret` and
        `best_seen` (with an optimum), `flops`, `params`, `layers` (of what was found),
        `evaluations`, `evaluation` (at which it was found), `scored`, `failed`, `seconds` (of one
        search from an empty store). A deviation over one seed is NaN.
    """
    found = winners(frame).drop(columns="seconds").rename(columns={"total_seconds": "seconds"})
    figures = ["flops", "params", "layers", "evaluations", "evaluation", "scored", "failed"]
    figures += [str(name) for name in found if str(name).startswith("limited_")]
    figures.append("seconds")
    if optimum is not None:
        found["regret"] = optimum - found["accuracy"]
        figures = ["accuracy", "regret", "best_seen", *figures]
    rows = []
    for (algorithm, proxy), runs in found.groupby(["algorithm", "proxy"], sort=False):
        row: dict[str, object] = {"algorithm": algorithm, "proxy": proxy, "seeds": len(runs)}
        for name in figures:
            row[name], row[f"{name}_sd"] = runs[name].mean(), runs[name].std()
        rows.append(row)
    return pd.DataFrame(rows)


def curves(frame: pd.DataFrame, column: str) -> Mapping[str, Array]:
    """Median and quartiles over seeds of a column, at every evaluation.

    Args:
        frame: Trajectories of one length.
        column: Its name.

    Returns:
        (3, evaluations) each: lower quartile, median, upper quartile; by a label that names what
        the searches differ in.
    """
    several = [name for name in ("proxy", "algorithm") if frame[name].nunique() > 1] or ["proxy"]
    result = {}
    for _, runs in frame.groupby(["algorithm", "proxy"], sort=False):
        label = ", ".join(str(runs[name].iloc[0]) for name in several)
        wide = runs.pivot_table(index="evaluation", columns="seed", values=column, dropna=False)
        with warnings.catch_warnings():  # no seed may have a value: then there is no band
            warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
            result[label] = np.nanquantile(wide.to_numpy(), [0.25, 0.5, 0.75], axis=1)
    return result
