from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.proxies.fisher import fisher
from tests.harness.networks import ALL_NONE, fresh, labelled, linear, noise, with_targets


def test_by_hand() -> None:
    # a = (2, 2), dL/da = (-1/2, 1/2): (a dL/da)^2 / 2 = 1/2 for both channels of one weight.
    batch = with_targets(torch.tensor([[2.0]]).double(), [0])
    assert fisher(linear([[3.0], [1.0]], [-4.0, 0.0]), batch) == pytest.approx(1)


def test_counts_every_weight_of_a_channel() -> None:
    batch = with_targets(torch.tensor([[2.0, 0.0, 0.0]]).double(), [0])
    network = linear([[3.0, 7.0, 8.0], [1.0, 9.0, 5.0]], [-4.0, 0.0])
    assert fisher(network, batch) == pytest.approx(3)


def test_loss_and_squares_are_means_over_samples() -> None:
    # The gradient of each sample's output is halved, so its square is a quarter.
    batch = with_targets(torch.tensor([[2.0], [2.0]]).double(), [0, 1])
    assert fisher(linear([[3.0], [1.0]], [-4.0, 0.0]), batch) == pytest.approx(1 / 4)


def test_pixels_add_before_the_square() -> None:
    # One 1x1 convolution to two channels; logits are the sums over two pixels x, 4 - x.
    conv = nn.Conv2d(1, 2, 1, bias=False).double()
    nn.init.ones_(conv.weight)
    network = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for x in (2.0, 3.0, 7.0):
        batch = with_targets(torch.tensor([x, 4 - x]).double().reshape(1, 1, 1, 2), [0])
        # sum_hw a dL/da = 2 pooled (-+1/2) = -+1.
        assert fisher(network, batch) == pytest.approx(1 / 2 + 1 / 2)


def test_disconnected_cell_scores_zero() -> None:
    assert fisher(fresh(ALL_NONE), labelled(noise(4))) == 0
