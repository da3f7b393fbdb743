from __future__ import annotations

import pytest
import torch

from harness.proxies.snip import snip
from tests.harness.networks import (
    ALL_NONE,
    MIXED,
    fresh,
    labelled,
    linear,
    network_of,
    noise,
    with_targets,
)


def test_by_hand() -> None:
    # dL/dw = 2 (-1/2, 1/2), w = (3, 1); a bias has no mask.
    batch = with_targets(torch.tensor([[2.0]]).double(), [0])
    assert snip(linear([[3.0], [1.0]], [-4.0, 0.0]), batch) == pytest.approx(3 + 1)
    assert snip(linear([[-3.0], [1.0]], [8.0, 0.0]), batch) == pytest.approx(3 + 1)


def test_samples_average_before_the_absolute_value() -> None:
    batch = with_targets(torch.tensor([[2.0], [2.0]]).double(), [0, 1])
    assert snip(linear([[3.0], [1.0]], [-4.0, 0.0]), batch) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_is_positive(seed: int) -> None:
    assert snip(network_of(MIXED, seed=seed).train(), labelled(noise(4, seed=seed))) > 0


def test_disconnected_cell_scores_zero() -> None:
    assert snip(fresh(ALL_NONE), labelled(noise(4))) == 0
