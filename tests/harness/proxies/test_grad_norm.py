from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import nn

from benchmarks.types import Batch
from harness.proxies.grad_norm import grad_norm
from tests.harness.networks import ALL_NONE, fresh, linear, noise, with_targets


def parts(network: nn.Module, batch: Batch) -> Mapping[str, float]:
    result = grad_norm(network, batch)
    assert isinstance(result, Mapping)
    return result


def test_by_hand() -> None:
    # Logits are equal, so dL/dz = (-1/2, 1/2): times 2 for the weights, as it is for the bias.
    batch = with_targets(torch.tensor([[2.0]]).double(), [0])
    found = parts(linear([[3.0], [1.0]], [-4.0, 0.0]), batch)
    assert found["score"] == pytest.approx(math.sqrt(1 + 1 + 1 / 4 + 1 / 4))
    assert found["layerwise"] == pytest.approx(math.sqrt(2))


def test_layerwise_adds_norms_of_layers() -> None:
    # dL/dz = (-1/2, 1/2); hidden value 2, input 1, second weights (3, 1).
    network = nn.Sequential(linear([[2.0]]), linear([[3.0], [1.0]], [-4.0, 0.0]))
    found = parts(network, with_targets(torch.ones(1, 1).double(), [0]))
    first, second = abs(-3 / 2 + 1 / 2), math.hypot(1, 1)
    assert found["layerwise"] == pytest.approx(first + second)
    assert found["score"] == pytest.approx(math.sqrt(first**2 + second**2 + 1 / 2))


def test_batch_norms_count_in_the_norm_alone() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), linear([[1.0], [1.0]])).double()
    batch = with_targets(torch.tensor([1.0, -1.0]).double().reshape(2, 1, 1, 1), [0, 1])
    found = parts(network, batch)
    # Normalised inputs +-1 (to eps = 1e-5); per sample dL/dz = -+(1/2, -1/2) / 2.
    scale = 1 / math.sqrt(1 + 1e-5)
    assert found["layerwise"] == pytest.approx(scale * math.sqrt(1 / 2))
    # Both rows weigh alike, so nothing reaches the batch norm.
    assert found["score"] == pytest.approx(scale * math.sqrt(1 / 2))


def test_disconnected_cell_has_the_gradient_of_the_bias_alone() -> None:
    found = parts(fresh(ALL_NONE), with_targets(noise(4), [0, 0, 3, 7]))
    gradient = [0.1 - share for share in (2 / 4, 1 / 4, 1 / 4, *[0.0] * 7)]
    assert found["score"] == pytest.approx(math.hypot(*gradient))
    assert found["layerwise"] == 0
