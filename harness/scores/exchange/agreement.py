"""Rank agreement of two score files."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from harness.evaluation import metrics
from harness.scores.exchange.score_file import ScoreFile


def compare(
    ours: ScoreFile, theirs: ScoreFile, accuracies: pd.Series[float] | None = None
) -> pd.DataFrame:
    """Rank agreement of two files, proxy by proxy, on the architectures that both have scored.

    Args:
        ours: One file, or `of_records`.
        theirs: The other.
        accuracies: In percent, by architecture id; None where there is no truth.

    Returns:
        Columns `proxy`, `n`, `spearman`, `kendall_tau`, and with accuracies
        `n_accuracy`, `tau_ours`, `tau_theirs`: Kendall's tau of each side with the accuracies of
        the same architectures. Sorted by Spearman's rho, the best first.

    Raises:
        InputError: They share no proxy, or no architecture.
    """
    shared = [name for name in ours.proxies if name in set(theirs.proxies)]
    if not shared:
        raise InputError(
            f"no proxy in common: ours are {', '.join(ours.proxies)}; "
            f"theirs {', '.join(theirs.proxies)}"
        )
    rows = []
    for name in shared:
        pair = pd.concat([ours.scores(name), theirs.scores(name)], axis=1, join="inner")
        x, y = (pair.iloc[:, side].to_numpy(dtype=float) for side in (0, 1))
        row: dict[str, object] = {
            "proxy": name,
            "n": len(pair),
            "spearman": metrics.spearman_rho(x, y),
            "kendall_tau": metrics.kendall_tau(x, y),
        }
        if accuracies is not None:
            known = np.asarray(pair.index.isin(accuracies.index))
            truth = accuracies.reindex(pair.index[known]).to_numpy(dtype=float)
            row["n_accuracy"] = int(known.sum())
            row["tau_ours"] = metrics.kendall_tau(x[known], truth)
            row["tau_theirs"] = metrics.kendall_tau(y[known], truth)
        rows.append(row)
    frame = pd.DataFrame(rows)
    if not frame["n"].any():
        raise InputError(
            f"no architecture in common that has a score of {', '.join(shared)} on both sides; "
            "score more of them with harness score --archs"
        )
    order = ["spearman", "n", "proxy"]
    return frame.sort_values(order, ascending=[False, False, True]).reset_index(drop=True)
