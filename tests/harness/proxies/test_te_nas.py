from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from benchmarks.types import Batch
from harness.proxies.te_nas import te_nas
from tests.harness.networks import (
    ALL_NONE,
    ALL_SKIP,
    MIXED,
    batch_of,
    fresh,
    linear,
    network_of,
    noise,
)


def parts(network: nn.Module, batch: Batch) -> Mapping[str, float]:
    result = te_nas(network, batch)
    assert isinstance(result, Mapping)
    return result


def test_kernel_by_hand() -> None:
    # Rows are the inputs themselves, once a logit: the kernel is 2 diag(1, 4, 9).
    inputs = torch.diag(torch.tensor([1.0, 2.0, 3.0])).double()
    found = parts(linear([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [0.0, 0.0]), batch_of(inputs))
    assert found["ntk"] == pytest.approx(-9)
    # Rows (1, 0), (1, 1): kernel [[1, 1], [1, 2]], eigenvalues (3 -+ sqrt 5) / 2.
    inputs = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).double()
    expected = -(3 + math.sqrt(5)) / (3 - math.sqrt(5))
    assert parts(linear([[1.0, 1.0]]), batch_of(inputs))["ntk"] == pytest.approx(expected)


def test_orthogonal_gradients_are_the_best() -> None:
    assert parts(linear([[1.0, 2.0]]), batch_of(torch.eye(2).double()))["ntk"] == pytest.approx(-1)


@pytest.mark.parametrize("seed", range(3))
def test_bounds(seed: int) -> None:
    found = parts(network_of(MIXED, seed=seed).train(), batch_of(noise(5, seed=seed)))
    assert found["ntk"] <= -1
    assert 1 <= found["linear_regions"] <= 5


def test_order_of_the_samples_does_not_matter_to_the_kernel() -> None:
    network, inputs = network_of(MIXED).train(), noise(5)
    expected = parts(network, batch_of(inputs))["ntk"]
    found = parts(network, batch_of(inputs[[4, 2, 0, 1, 3]]))["ntk"]
    assert found == pytest.approx(expected, rel=1e-9)


def test_equal_samples_are_singular() -> None:
    inputs = torch.tensor([[1.0, 2.0], [1.0, 2.0]]).double()
    ntk = parts(linear([[1.0, 2.0]]), batch_of(inputs))["ntk"]
    assert ntk == -math.inf or ntk < -1e12


class Pixels(nn.Module):
    """ReLUs of given maps, then one logit."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.relu = nn.ReLU()
        self.flat = nn.ReLU()
        self.linear = linear([[1.0, 1.0]])

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x * self.factor)
        out: Tensor = self.linear(self.flat(x.flatten(1) - 0.3))
        return out


def test_regions_by_hand() -> None:
    inputs = torch.arange(1.0, 33).double().reshape(16, 2, 1, 1)
    batch = Batch(inputs, torch.zeros(16, dtype=torch.int64), "gaussian", seed=3)
    patterns = {tuple(row) for row in (batch.noise("regions").flatten(1) > 0).tolist()}
    assert 1 < len(patterns) <= 4
    # ReLUs of vectors do not count.
    assert parts(Pixels(1.0), batch)["linear_regions"] == len(patterns)
    assert parts(Pixels(0.0), batch)["linear_regions"] == 1


def test_no_relu_no_bend() -> None:
    inputs = torch.eye(2).double()
    assert parts(linear([[1.0, 2.0]]), batch_of(inputs))["linear_regions"] == 1


def test_disconnected_cell_has_no_kernel_and_one_region() -> None:
    found = parts(fresh(ALL_NONE), batch_of(noise(4)))
    assert not math.isfinite(found["ntk"])
    assert found["linear_regions"] == 1


def test_skip_cell_is_normal() -> None:
    found = parts(fresh(ALL_SKIP), batch_of(noise(4)))
    assert -math.inf < found["ntk"] <= -1
    assert found["linear_regions"] == 4
