from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from benchmarks.nasbench201.architecture import Cell
from benchmarks.types import Batch
from harness.proxies import gradsign as module
from harness.proxies.gradsign import gradsign
from tests.harness.networks import (
    ALL_NONE,
    ALL_SKIP,
    MIXED,
    Padding,
    fresh,
    labelled,
    linear,
    network_of,
    noise,
    odd,
    random_cells,
    state_of,
    with_targets,
)
from tests.reference import gradsign as literal


def parts(network: nn.Module, batch: Batch) -> Mapping[str, float]:
    result = gradsign(network, batch)
    assert isinstance(result, Mapping)
    return result


# dl/dw = (p - y) x: the sign is that of x, turned for the sample's own class.
@pytest.mark.parametrize(
    ("targets", "score"),
    [([0, 0, 0], 2), ([0, 1, 0], 6), ([1, 1, 1], 2), ([1, 0, 1], 6), ([0, 0, 1], 2)],
)
def test_by_hand(targets: list[int], score: float) -> None:
    inputs = torch.tensor([[1.0], [-1.0], [2.0]]).double()
    found = parts(linear([[0.5], [-0.5]], [1.0, 2.0]), with_targets(inputs, targets))
    assert found == {"score": score, "mean": score / 2}


def test_zero_gradients_have_no_sign() -> None:
    inputs = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double()
    found = parts(linear([[0.5, 1.0], [-0.5, 1.0]]), with_targets(inputs, [0, 0]))
    assert found == {"score": 4, "mean": 1}


def test_batch_norms_see_one_sample() -> None:
    # Alone, each image is normalised to +-1 whatever its offset; together they would not be.
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), linear([[0.1, 0.2], [0.3, -0.2]]))
    offsets = torch.tensor([0.0, 100.0, -50.0, 7.0]).double().reshape(4, 1, 1, 1)
    inputs = torch.tensor([1.0, -1.0]).double().reshape(1, 1, 1, 2) + offsets
    found = parts(network.double().train(), with_targets(inputs, [0, 0, 0, 0]))
    assert found == {"score": 16, "mean": 4}


def test_mean_is_over_the_weights() -> None:
    network = network_of(MIXED).train()
    count = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    found = parts(network, labelled(noise(4)))
    assert found["mean"] * count == pytest.approx(found["score"], rel=1e-12)
    assert 0 < found["mean"] <= 4
    assert found["score"] == int(found["score"])


def test_one_sample_agrees_with_itself() -> None:
    found = parts(network_of(MIXED).train(), labelled(noise(1)))
    assert 0.5 < found["mean"] <= 1  # ReLUs leave some weights without a gradient


def test_disconnected_cell_scores_zero() -> None:
    assert parts(fresh(ALL_NONE), labelled(noise(3))) == {"score": 0, "mean": 0}


# The pass over the whole batch, which other devices take.
def batched(network: nn.Module, batch: Batch) -> float:
    result = module._batched(network, batch)
    assert result is not None
    return result


@pytest.mark.parametrize("cell", [*random_cells(3, 10), ALL_SKIP, ALL_NONE])
def test_batched_equals_literal(cell: Cell) -> None:
    # In 16x16 images; in smaller ones signs of mere rounding errors count.
    network, batch = network_of(cell).train(), labelled(noise(3, resolution=16))
    before = state_of(network)
    expected = literal.gradsign(network, batch.inputs, batch.targets)
    assert batched(network, batch) == expected["score"]
    assert state_of(network) == before


def test_batched_odd_layers() -> None:
    network, batch = odd(), labelled(noise(4))
    expected = literal.gradsign(network, batch.inputs, batch.targets)
    network.unused = nn.Identity()  # else there is no rule: see below
    assert batched(network, batch) == expected["score"]


def test_batched_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = odd(), labelled(noise(5))
    network.unused = nn.Identity()
    whole = batched(network, batch)
    monkeypatch.setattr(module, "_COLUMNS", 2 * 9 * noise(1)[0].numel())
    assert batched(network, batch) == whole


@pytest.mark.parametrize("padding_mode", ["zeros", "circular"])
def test_batched_has_no_rule_for_all_layers(padding_mode: Padding) -> None:
    # A layer that was not called, and padding that unfolding does not know.
    network = odd(padding_mode)
    if padding_mode == "circular":
        network.unused = nn.Identity()
    assert module._batched(network, labelled(noise(2))) is None


class Breaks(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("a layer broke")


def test_batched_leaves_nothing_behind_after_an_error() -> None:
    network = network_of(MIXED).train()
    network.classifier = Breaks()
    before = state_of(network)
    with pytest.raises(RuntimeError, match="a layer broke"):
        module._batched(network, labelled(noise(2)))
    assert state_of(network) == before
