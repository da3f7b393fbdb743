from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from harness.proxies import nwot as module
from harness.proxies.nwot import nwot
from tests.harness.networks import (
    ALL_NONE,
    MIXED,
    batch_of,
    network_of,
    noise,
    random_cells,
    state_of,
)
from tests.reference import nwot as literal


@pytest.mark.parametrize("seed", range(4))
def test_equals_literal(seed: int) -> None:
    (cell,) = random_cells(1, seed)
    network, inputs = network_of(cell, seed=seed).train(), noise(6, seed=seed)
    expected = literal.nwot(network, inputs)
    assert nwot(network, batch_of(inputs)) == pytest.approx(expected, rel=1e-12)


def test_by_hand() -> None:
    inputs = torch.tensor([[1.0, -1.0], [2.0, 3.0]])  # codes 10 and 11: they agree in one unit
    once = nwot(nn.Sequential(nn.ReLU()), batch_of(inputs))
    assert once == pytest.approx(math.log(2 * 2 - 1 * 1))
    relu = nn.ReLU()
    twice = nwot(nn.Sequential(relu, nn.Hardtanh(), relu), batch_of(inputs))
    assert twice == pytest.approx(math.log(4 * 4 - 2 * 2))


def test_zero_is_inactive() -> None:
    network = nn.Sequential(nn.ReLU())
    assert nwot(network, batch_of(torch.tensor([[0.0], [-1.0]]))) == -math.inf
    assert nwot(network, batch_of(torch.tensor([[0.0], [1.0]]))) == 0.0  # K = identity


def test_blocks_of_columns_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = network_of(MIXED), batch_of(noise(4))
    whole = nwot(network, batch)
    monkeypatch.setattr(module, "_EXACT_FLOAT32", 1000)
    assert nwot(network, batch) == whole


def test_order_of_the_samples_does_not_matter() -> None:
    network, inputs = network_of(MIXED).train(), noise(6)
    shuffled = inputs[[3, 0, 5, 1, 4, 2]]
    score = nwot(network, batch_of(inputs))
    assert nwot(network, batch_of(shuffled)) == pytest.approx(score, rel=1e-10)


def test_equal_samples_have_no_score() -> None:
    inputs = noise(4)
    inputs[2] = inputs[0]
    assert nwot(network_of(MIXED), batch_of(inputs)) == -math.inf


def test_disconnected_cell_has_no_score() -> None:
    # Behind an all-none cell every sample has the same code.
    assert nwot(network_of(ALL_NONE).train(), batch_of(noise(4))) == -math.inf


def test_leaves_nothing_behind() -> None:
    network = network_of(MIXED)
    before = state_of(network)
    nwot(network, batch_of(noise(4)))
    assert state_of(network) == before


class Explodes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("a layer broke")


def test_leaves_nothing_behind_after_an_error() -> None:
    network = nn.Sequential(nn.ReLU(), Explodes())
    before = state_of(network)
    with pytest.raises(RuntimeError, match="a layer broke"):
        nwot(network, batch_of(noise(2)))
    assert state_of(network) == before
