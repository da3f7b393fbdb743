from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.types import Batch
from harness.proxies.az_nas import az_nas
from tests.harness.networks import (
    ALL_NONE,
    ALL_SKIP,
    IDENTITY,
    MIXED,
    batch_of,
    fresh,
    network_of,
    noise,
)


class Maps(nn.Module):
    """A first map, then whatever functions make of the one before; `head` gives logits."""

    def __init__(self, *steps: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1).double())
        self.steps = steps

    def features(self, x: Tensor) -> list[Tensor]:
        maps = [x * self.scale]
        for step in self.steps:
            maps.append(step(maps[-1]))
        return maps

    def pre_gap(self, x: Tensor) -> Tensor:
        return self.features(x)[-1]

    def head(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)[-1])


def parts(network: nn.Module, batch: Batch) -> Mapping[str, float]:
    result = az_nas(network, batch)
    assert isinstance(result, Mapping)
    assert list(result) == ["expressivity", "progressivity", "trainability"]
    return result


def term(sigma: float) -> float:
    return -sigma - 1 / (sigma + 1e-6) + 2


def corners() -> Tensor:
    """Four samples of two channels whose covariance is the identity."""
    return torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).double().reshape(4, 2, 1, 1)


def test_entropies_by_hand() -> None:
    first_only = torch.tensor([1.0, 0.0]).double().reshape(1, 2, 1, 1)
    found = parts(Maps(lambda x: 3 * x + 5, lambda x: x * first_only), batch_of(corners()))
    even, single = -math.log(0.5 + 1e-8), -math.log(1 + 1e-8)
    assert found["expressivity"] == pytest.approx(2 * even + single, rel=1e-9)
    assert found["progressivity"] == pytest.approx(single - even, rel=1e-9)


def test_progressivity_is_the_smallest_step() -> None:
    second = torch.tensor([1.0, 0.5]).double().reshape(1, 2, 1, 1)
    found = parts(Maps(lambda x: x * second, lambda x: x / second * 2), batch_of(corners()))
    uneven = -sum(p * math.log(p + 1e-8) for p in (0.8, 0.2))
    assert found["progressivity"] == pytest.approx(uneven + math.log(0.5 + 1e-8), rel=1e-6)


@pytest.mark.parametrize("factor", [0.25, 2.0, -2.0])
def test_trainability_of_a_scaling(factor: float) -> None:
    # One channel: the mean of squared signs is 1, so sigma is the factor's size.
    found = parts(Maps(lambda x: factor * x), batch_of(noise(4)[:, :1]))
    assert found["trainability"] == pytest.approx(term(abs(factor)))


def test_trainability_is_the_mean_of_the_steps_and_best_at_one() -> None:
    found = parts(Maps(lambda x: 2 * x, lambda x: -x, lambda x: 4 * x), batch_of(noise(4)[:, :1]))
    expected = (term(2) + term(1) + term(4)) / 3
    assert found["trainability"] == pytest.approx(expected)
    assert term(1) == pytest.approx(0, abs=1e-5)


def test_other_resolutions_unshuffle() -> None:
    # Each of the four pixels gets a quarter: M is four times 1/4, sigma 1/2.
    found = parts(Maps(lambda x: functional.avg_pool2d(x, 2)), batch_of(noise(4)[:, :1]))
    assert found["trainability"] == pytest.approx(term(0.5))
    # One pixel gets all.
    found = parts(Maps(lambda x: x[:, :, ::2, 1::2]), batch_of(noise(4)[:, :1]))
    assert found["trainability"] == pytest.approx(term(1))


def test_a_pure_identity_does_not_train() -> None:
    assert parts(Maps(lambda x: x), batch_of(noise(4)))["trainability"] == -math.inf
    assert parts(Maps(lambda x: 1 * x + 1), batch_of(noise(4)))["trainability"] == -math.inf
    # Four identities added are none.
    assert math.isfinite(parts(fresh(ALL_SKIP), batch_of(noise(4)))["trainability"])


def test_signs_depend_on_the_seed_of_the_batch() -> None:
    network, inputs = network_of(MIXED).train(), noise(4)
    targets = torch.zeros(4, dtype=torch.int64)
    first, second = (parts(network, Batch(inputs, targets, "gaussian", seed=s)) for s in (0, 1))
    assert first["trainability"] != second["trainability"]
    assert first["expressivity"] == second["expressivity"]
    assert first["progressivity"] == second["progressivity"]


def test_disconnected_cell() -> None:
    found = parts(fresh(ALL_NONE), batch_of(noise(4)))
    assert not math.isfinite(found["expressivity"])
    assert not math.isfinite(found["progressivity"])
    # 16 of the 17 blocks pass no gradient on.
    assert found["trainability"] == pytest.approx(-1e6 * 16 / 17, rel=0.07)


def test_identity_cell() -> None:
    found = parts(fresh(IDENTITY), batch_of(noise(8, resolution=16)))
    # The cells change nothing; only where channels double there is something new.
    assert found["progressivity"] == pytest.approx(0, abs=1e-9)
    assert found["trainability"] == -math.inf
