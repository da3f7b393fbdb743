"""A metric is one declaration."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from harness.evaluation import declared
from harness.evaluation.declared import METRICS, Metric
from harness.report import tables
from tests.harness.evaluation.test_evaluate import ACCURACY, NOISY, scores
from tests.harness.evaluation.test_evaluate import run as evaluated


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """A metric of its own: the highest accuracy among the best ten by score."""
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    metric = Metric(
        "best_of_ten",
        "best of 10",
        lambda r: float(r.ground.accuracies[np.argsort(-r.scores)[:10]].max()),
        lambda r: np.full(r.ground.weights.shape[1], 7.0),
        "The highest accuracy among the best ten by score.",
        comparable=True,
    )
    METRICS.add(metric.name, metric)
    return metric


def test_another_metric_is_one_declaration(toy: Metric) -> None:
    frame = evaluated({"noisy": scores(NOISY)}).reset_index()
    best = ACCURACY[NOISY.sort_values(ascending=False).index[:10]].max()
    row = frame.iloc[0]
    assert (row["best_of_ten"], row["best_of_ten_low"], row["best_of_ten_high"]) == (best, 7, 7)
    assert f"{best:.3f} [7.000, 7.000]" in tables.evaluation_markdown(frame, [], [])
    assert "best of 10" in tables.evaluation_latex(frame, [])
    assert "best_of_ten_low" in pd.read_csv(io.StringIO(tables.evaluation_csv(frame)))
    assert "best of 10" not in tables.cells(frame, narrow=True)[0]
    assert "best of 10" in tables.left_out(frame)
    assert toy in declared.comparable()


def test_columns_of_the_evaluation_are_the_declared_ones() -> None:
    frame = evaluated({"noisy": scores(NOISY)}).reset_index()
    ends = ("", "_low", "_high", "_sd")
    metrics = [f"{name}{end}" for name in METRICS.names for end in ends]
    expected = ["proxy", "n", "failed", "seeds", *metrics]
    assert list(frame.columns) == [*expected, "ndcg_p", "tie_share", "seconds", "truth"]
    assert METRICS.names == [
        "kendall_tau", "spearman", "ndcg", "top1_accuracy", "top1_regret", "precision_top5",
        "tau_params", "tau_flops", "tau_layers", "partial_tau_params", "tau_minus_params",
    ]  # fmt: skip


def test_every_metric_says_what_it_is() -> None:
    for metric in declared.declared():
        assert metric.summary.endswith(".")
        assert metric.beside in ("", *METRICS.names)
    assert [m.name for m in declared.comparable()] == ["kendall_tau", "spearman", "ndcg"]
