from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from harness.proxies.epe_nas import epe_nas
from tests.harness.networks import ALL_NONE, fresh, labelled, noise, with_targets

K = 1e-5
FIRST, UNLIKE, OPPOSITE = (1, 1, -1, -1), (1, -1, 1, -1), (-1, -1, 1, 1)
UNCORRELATED = 2 * math.log(1 + K) + 2 * math.log(K)  # log(|Corr| + k) over a 2x2 matrix
CORRELATED = 4 * math.log(1 + K)


class Repeat(nn.Module):
    """More logits, the same correlations."""

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(1, 26)


def rectifier(*, many: bool) -> nn.Module:
    """Its Jacobian is the pattern of its input; 4 or 104 logits."""
    return nn.Sequential(nn.ReLU(), *([Repeat()] if many else []))


def score(rows: Sequence[tuple[int, ...]], labels: list[int], *, many: bool = False) -> float:
    return epe_nas(rectifier(many=many), with_targets(torch.tensor(rows).double(), labels))


def test_few_classes_by_hand() -> None:
    rows = [FIRST, FIRST, UNLIKE, OPPOSITE]
    expected = abs(UNCORRELATED) + abs(CORRELATED)
    assert score(rows, [0, 3, 0, 3]) == pytest.approx(expected, rel=1e-9)


def test_a_single_sample_counts_next_to_nothing() -> None:
    found = score([FIRST, UNLIKE, FIRST], [0, 0, 2]) - score([FIRST, UNLIKE], [0, 0])
    assert found == pytest.approx(math.log(1 + K), rel=1e-3)


def test_many_classes_by_hand() -> None:
    rows = [FIRST, FIRST, UNLIKE, OPPOSITE]
    # Sums are divided by the rows, all pairs of classes compared, and divided by the classes.
    expected = 2 * abs(UNCORRELATED / 2 - CORRELATED / 2) / 2
    assert score(rows, [0, 103, 0, 103], many=True) == pytest.approx(expected, rel=1e-9)


def test_many_classes_skip_a_single_sample() -> None:
    rows = [FIRST, FIRST, UNLIKE, OPPOSITE]
    expected = score(rows, [0, 1, 0, 1], many=True)
    assert score([*rows, UNLIKE], [0, 1, 0, 1, 50], many=True) == pytest.approx(expected)


def test_many_classes_of_single_samples_score_nothing() -> None:
    assert not score([FIRST, UNLIKE], [0, 1], many=True) > 0


@pytest.mark.parametrize("classes", [10, 120])
def test_disconnected_cell_has_no_score(classes: int) -> None:
    network = fresh(ALL_NONE, classes)
    assert not math.isfinite(epe_nas(network, labelled(noise(6), classes=2)))
