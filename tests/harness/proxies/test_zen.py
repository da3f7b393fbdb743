from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.proxies.zen import zen
from tests.harness.networks import ALL_NONE, MIXED, batch_of, fresh, noise
from tests.reference import zen as literal


class Chain(nn.Sequential):
    """Its only map is its output."""

    def features(self, x: Tensor) -> list[Tensor]:
        return [self(x)]

    def head(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def pre_gap(self, x: Tensor) -> Tensor:
        out: Tensor = self(x)
        return out


def test_without_batch_norms_by_hand() -> None:
    conv = nn.Conv2d(3, 3, 1, groups=3, bias=False).double()
    nn.init.constant_(conv.weight, -2)
    batch = batch_of(noise(4))
    epsilon = batch.noise("perturbation")
    delta = 0.01 * 2 * float(epsilon.abs().sum()) / 4
    assert zen(Chain(conv).train(), batch) == pytest.approx(math.log(delta), rel=1e-9)


def test_running_variances_of_both_passes_by_hand() -> None:
    network = Chain(nn.BatchNorm2d(3)).double().train()
    batch = batch_of(noise(5) * 3 + 1)
    x, moved = batch.inputs, batch.inputs + 0.01 * batch.noise("perturbation")
    maps, variance = [], np.ones(3)
    for values in (x.numpy(), moved.numpy()):
        mean = values.mean((0, 2, 3), keepdims=True)
        squares = values.var((0, 2, 3))
        maps.append((values - mean) / np.sqrt(squares + 1e-5)[:, None, None])
        n = values.size // 3
        variance = 0.9 * variance + 0.1 * squares * n / (n - 1)
    delta = np.abs(maps[0] - maps[1]).sum() / 5
    expected = math.log(delta) + math.log(math.sqrt(variance.mean()))
    assert zen(network, batch) == pytest.approx(expected, rel=1e-9)


def test_gaussian_weights_equal_literal() -> None:
    network, batch = fresh(MIXED, scheme="gaussian"), batch_of(noise(4))
    expected = literal.zen(network, batch.inputs, batch.noise("perturbation"))
    assert zen(network, batch) == pytest.approx(expected, rel=1e-9)


def test_scales_with_the_last_batch_norm() -> None:
    network, batch = fresh(MIXED, scheme="gaussian"), batch_of(noise(4))
    before = zen(network, batch)
    with torch.no_grad():
        network.get_parameter("last_activation.0.weight").mul_(3)
    assert zen(network, batch) == pytest.approx(before + math.log(3), rel=1e-12)


def test_reads_only_the_map_before_pooling() -> None:
    network, batch = fresh(MIXED, scheme="gaussian"), batch_of(noise(4))
    before = zen(network, batch)
    with torch.no_grad():
        network.get_parameter("classifier.weight").mul_(3)
    assert zen(network, batch) == before


def test_disconnected_cell_has_no_score() -> None:
    assert zen(fresh(ALL_NONE, scheme="gaussian"), batch_of(noise(4))) == -math.inf
