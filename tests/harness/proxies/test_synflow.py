from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmarks.nasbench201.network import Network
from harness.proxies.synflow import synflow
from harness.scoring.initialise import initialise
from tests.harness.networks import (
    ALL_NONE,
    LARGE,
    MIXED,
    batch_of,
    network_of,
    noise,
    random_cells,
    state_of,
)
from tests.reference import synflow as literal


def initialised(network: nn.Module, seed: int = 0) -> nn.Module:
    initialise(network, "kaiming", seed)
    return network


@pytest.mark.parametrize("seed", range(4))
def test_equals_literal(seed: int) -> None:
    (cell,) = random_cells(1, seed)
    # Biases too, and single precision, as the engine hands it over.
    network = network_of(cell, seed=seed).float()
    score = synflow(network, batch_of(noise(2)))
    assert score > 0
    assert score == pytest.approx(literal.synflow(network, 8), rel=1e-12)


def chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 6, bias=False),
    )


def test_every_layer_of_a_chain_conserves_the_flow() -> None:
    # R is linear in each layer's weights, so each contributes R itself (Euler).
    network = initialised(chain())
    a, b, c = (p.detach().abs().double() for p in network.parameters() if p.dim() > 1)
    flow = (c @ b.sum((2, 3)) @ a.sum((1, 2, 3))).sum()
    assert synflow(network, batch_of(noise(1))) == pytest.approx(3 * float(flow), rel=1e-12)


@pytest.mark.parametrize("layer", ["0", "3", "6"])
def test_scales_with_the_weights_of_a_layer(layer: str) -> None:
    network, batch = initialised(chain()), batch_of(noise(1))
    before = synflow(network, batch)
    with torch.no_grad():
        network.get_parameter(f"{layer}.weight").mul_(-2)
    assert synflow(network, batch) == pytest.approx(2 * before, rel=1e-12)


def test_reads_only_the_shape_of_the_batch() -> None:
    network = initialised(Network(MIXED, 10))
    score = synflow(network, batch_of(noise(1, seed=0)))
    assert synflow(network, batch_of(noise(3, seed=1).float())) == score
    assert synflow(network, batch_of(noise(1, resolution=12))) != score


def test_disconnected_cell_scores_zero() -> None:
    assert synflow(initialised(Network(ALL_NONE, 10)), batch_of(noise(1))) == 0.0


def test_large_cell_exceeds_single_precision() -> None:
    score = synflow(initialised(Network(LARGE, 10)), batch_of(noise(1, resolution=32)))
    assert torch.finfo(torch.float32).max < score < math.inf


def test_leaves_nothing_behind() -> None:
    network = network_of(MIXED).float().train()
    before = state_of(network)
    synflow(network, batch_of(noise(1)))
    assert state_of(network) == before
