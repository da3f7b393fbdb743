from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.proxies.l2_norm import l2_norm
from tests.harness.networks import ALL_NONE, batch_of, fresh, linear, noise


def test_by_hand() -> None:
    conv = nn.Conv2d(1, 1, 2).double()
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[[1.0, -1.0], [1.0, 1.0]]]]))
    network = nn.Sequential(conv, nn.BatchNorm2d(1), linear([[3.0, -4.0]], [100.0]))
    assert l2_norm(network, batch_of(noise(1))) == pytest.approx(2 + 5)


def test_does_not_run_the_network() -> None:
    network = nn.Sequential(linear([[2.0]]), linear([[3.0, 4.0]]))  # 1 -> 1, then 2 -> 1
    assert l2_norm(network, batch_of(noise(1))) == pytest.approx(2 + 5)


def test_disconnected_cell_has_the_weights_around_the_cells() -> None:
    assert l2_norm(fresh(ALL_NONE), batch_of(noise(1))) > 0
