from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import nn

from benchmarks.types import Batch
from harness.proxies.zico import zico
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


def parts(network: nn.Module, first: Batch, second: Batch) -> Mapping[str, float]:
    result = zico(network, first, second)
    assert isinstance(result, Mapping)
    return result


def one(x: float, target: int = 0) -> Batch:
    return with_targets(torch.tensor([[x]]).double(), [target])


# With zero weights dL/dw = x (-1/2, 1/2): (-1, 1) for x = 2, then +-(2, -2) or twice the same.
@pytest.mark.parametrize(
    ("second", "score", "paper"),
    [
        (one(4.0), math.log(2 * 1.5 / 0.5), math.log(2 * 1.5 / 0.5)),
        (one(-4.0), math.log(2 * 1.5 / 1.5), math.log(2 * 1.5 / 0.5)),
        (one(4.0, target=1), math.log(2 * 1.5 / 1.5), math.log(2 * 1.5 / 0.5)),
        (one(-2.0), math.log(2 * 1.0 / 1.0), 0.0),  # |g| has no deviation: the layer is skipped
    ],
)
def test_by_hand(second: Batch, score: float, paper: float) -> None:
    found = parts(linear([[0.0], [0.0]], [0.0, 0.0]), one(2.0), second)
    assert found == pytest.approx({"score": score, "paper": paper})


def test_weights_without_deviation_are_left_out() -> None:
    network = linear([[0.0, 0.0], [0.0, 0.0]])
    first = with_targets(torch.tensor([[2.0, 1.0]]).double(), [0])
    second = with_targets(torch.tensor([[4.0, 1.0]]).double(), [0])
    assert parts(network, first, second)["score"] == pytest.approx(math.log(6))


def test_logarithms_of_layers_add_up() -> None:
    # Second weights (1, -1), hidden value 0 times anything: only the first layer has a gradient.
    network = nn.Sequential(linear([[0.0]]), linear([[1.0], [-1.0]]))
    assert parts(network, one(2.0), one(4.0))["score"] == pytest.approx(math.log(3))
    # Hidden value x, second weights zero: only the second has.
    network = nn.Sequential(linear([[1.0]]), linear([[0.0], [0.0]]))
    assert parts(network, one(2.0), one(4.0))["score"] == pytest.approx(math.log(6))


def test_equal_batches_have_no_deviation() -> None:
    network, batch = network_of(MIXED).train(), labelled(noise(4))
    assert parts(network, batch, batch) == {"score": 0, "paper": 0}


def test_order_of_the_batches_does_not_matter() -> None:
    network = network_of(MIXED).train()
    first, second = (labelled(noise(4, seed=s), seed=s) for s in range(2))
    assert parts(network, second, first) == pytest.approx(parts(network, first, second))


def test_deviation_of_sizes_is_the_smaller_one() -> None:
    network = network_of(MIXED).train()
    found = parts(network, *(labelled(noise(4, seed=s), seed=s) for s in range(2)))
    assert found["paper"] > found["score"]


def test_disconnected_cell_scores_zero() -> None:
    batches = [labelled(noise(4, seed=s), seed=s) for s in range(2)]
    assert parts(fresh(ALL_NONE), *batches) == {"score": 0, "paper": 0}
