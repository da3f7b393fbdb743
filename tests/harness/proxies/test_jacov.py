from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from harness.proxies.jacov import jacov
from tests.harness.networks import (
    ALL_NONE,
    MIXED,
    batch_of,
    fresh,
    labelled,
    linear,
    network_of,
    noise,
)

K = 1e-5


def term(eigenvalue: float) -> float:
    return -math.log(eigenvalue + K) - 1 / (eigenvalue + K)


# The Jacobian of a ReLU is its pattern: (1,1,0,0), and one that is unlike it, equal or opposite.
@pytest.mark.parametrize(
    ("second", "eigenvalues"),
    [
        ((1.0, -1.0, 1.0, -1.0), (1, 1)),
        ((5.0, 5.0, -5.0, -5.0), (0, 2)),
        ((-1.0, -1.0, 1.0, 1.0), (0, 2)),
    ],
)
def test_by_hand(second: tuple[float, ...], eigenvalues: tuple[float, float]) -> None:
    inputs = torch.tensor([(1.0, 1.0, -1.0, -1.0), second]).double()
    expected = sum(map(term, eigenvalues))
    assert jacov(nn.Sequential(nn.ReLU()), batch_of(inputs)) == pytest.approx(expected, rel=1e-9)


def test_better_the_less_samples_correlate() -> None:
    # Rows that do not correlate at all give the largest score, -B (log(1 + k) + 1 / (1 + k)).
    scores = []
    for second in ((1.0, -1.0, 1.0, -1.0), (1.0, 1.0, 1.0, -1.0), (1.0, 1.0, -1.0, -1.0)):
        inputs = torch.tensor([(1.0, 1.0, -1.0, -1.0), second]).double()
        scores.append(jacov(nn.Sequential(nn.ReLU()), batch_of(inputs)))
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(2 * term(1))
    assert jacov(network_of(MIXED).train(), labelled(noise(6))) < 6 * term(1)


def test_one_gradient_for_all_samples() -> None:
    network = linear([[1.0, 2.0, 4.0], [0.0, 1.0, 0.0]])
    inputs = torch.eye(3).double()
    assert jacov(network, batch_of(inputs)) == pytest.approx(2 * term(0) + term(3), rel=1e-6)


def test_disconnected_cell_has_no_score() -> None:
    assert math.isnan(jacov(fresh(ALL_NONE), labelled(noise(4))))
