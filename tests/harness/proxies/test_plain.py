from __future__ import annotations

import pytest
import torch

from harness.proxies.plain import plain
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


@pytest.mark.parametrize(("target", "expected"), [(0, -3 + 1), (1, 3 - 1)])
def test_by_hand(target: int, expected: float) -> None:
    # dL/dw = 2 (-1/2, 1/2) for the first class, w = (3, 1).
    batch = with_targets(torch.tensor([[2.0]]).double(), [target])
    assert plain(linear([[3.0], [1.0]], [-4.0, 0.0]), batch) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(2))
def test_is_bounded_by_snip(seed: int) -> None:
    network, batch = network_of(MIXED, seed=seed).train(), labelled(noise(4, seed=seed))
    assert abs(plain(network, batch)) <= snip(network, batch)


def test_disconnected_cell_scores_zero() -> None:
    assert plain(fresh(ALL_NONE), labelled(noise(4))) == 0
