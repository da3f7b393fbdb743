"""A paper's figures beside ours: differences, and which lie outside our intervals."""

from __future__ import annotations

import math

import pandas as pd

from benchmarks.published import Published
from harness.evaluation.declared import published_metrics
from harness.evaluation.ground import SIZES

_BESIDE = (
    *(f"tau_{size}{end}" for size in SIZES for end in ("", "_low", "_high")),
    "ndcg_p", "seconds", "truth",
)  # fmt: skip


def compare(
    evaluation: pd.DataFrame, published: Published, dataset: str, batch_size: int
) -> pd.DataFrame:
    """Our figures of a dataset beside the published ones.

    Args:
        evaluation: Of `harness.evaluation.judge.evaluate_held`; of model-driven rankings also
            `trained_on`. Methods may be absent.
        published: The paper's table.
        dataset: Which of its datasets.
        batch_size: Images in the batch that was asked for; a row with another one names it.

    Returns:
        One row a method: the paper's in the paper's order, then the others, by tau. Columns
        `dataset`, `method`, `label` (the method, with its batch where that is another than
        asked for), `type`, `in_paper`, `n` (0: missing), `trained_on`, `failed`, `batch`,
        `input`, `seeds`; for every metric that papers report our value, `_low`, `_high`, `_sd`,
        `_published`, `_difference` (ours less published) and `_outside` (the published value
        is outside our interval; False where either is missing); `tau_params`, `tau_flops` and
        `tau_layers` with `_low` and `_high`; `ndcg_p`, `seconds`, `truth`.
    """
    ours = {str(row["proxy"]): row for _, row in evaluation.iterrows()}
    others = [name for name in ours if name not in published.methods]
    others.sort(key=lambda name: -float(ours[name]["kendall_tau"]))
    rows = []
    for method in (*published.methods, *others):
        row = ours.get(method, pd.Series(dtype=object))
        batch = str(row.get("batch", ""))
        other_batch = batch not in ("", str(batch_size))
        line: dict[str, object] = {
            "dataset": dataset,
            "method": method,
            "label": f"{method} (batch {batch})" if other_batch else method,
            "type": published.methods.get(method, "simple"),
            "in_paper": method in published.methods,
            "n": int(row.get("n", 0)),
            "trained_on": row.get("trained_on", math.nan),
            "failed": row.get("failed", math.nan),
            "batch": batch,
            "input": row.get("input", ""),
            "seeds": row.get("seeds", math.nan),
        }
        values = published.values(method, dataset)
        for metric in published_metrics():
            name, reported = metric.name, values.get(metric.name, math.nan)
            value, low, high = (
                float(row.get(f"{name}{end}", math.nan)) for end in ("", "_low", "_high")
            )
            line |= {name: value, f"{name}_low": low, f"{name}_high": high}
            line[f"{name}_sd"] = row.get(f"{name}_sd", math.nan)
            line[f"{name}_published"] = reported
            line[f"{name}_difference"] = value - reported
            line[f"{name}_outside"] = reported < low or reported > high
        for name in _BESIDE:
            line[name] = row.get(name, math.nan)
        rows.append(line)
    return pd.DataFrame(rows)
