from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from benchmarks.nasbench201.network import Network
from benchmarks.types import derive_seed
from benchmarks.uninas.modules import RelativePositionBias
from harness.proxies import PROXIES
from harness.scoring.initialise import initialise, weight_seed
from tests.harness.networks import MIXED, randomised

SCHEMES = ["kaiming", "gaussian", "default"]


def drawn(network: nn.Module, scheme: str, seed: int) -> dict[str, Tensor]:
    initialise(network, scheme, seed)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_depends_on_the_seed_alone(scheme: str) -> None:
    fresh, used = Network(MIXED, 10), randomised(Network(MIXED, 10)).float()
    one = drawn(fresh, scheme, 1)
    again = drawn(used, scheme, 1)  # whatever was in the network
    other = drawn(fresh, scheme, 2)
    assert all(one[name].equal(again[name]) for name in one)
    weights = [name for name, tensor in one.items() if tensor.dim() > 1]
    assert not any(one[name].equal(other[name]) for name in weights)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_leaves_the_global_generator_alone(scheme: str) -> None:
    network, before = Network(MIXED, 10), torch.get_rng_state()
    initialise(network, scheme, 0)
    assert torch.get_rng_state().equal(before)


LAYERS = [nn.Conv2d(8, 64, 3), nn.Conv2d(64, 64, 3, groups=8), nn.Linear(64, 100)]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("scheme", ["kaiming", "gaussian"])
def test_normal_weights(layer: nn.Conv2d | nn.Linear, scheme: str) -> None:
    initialise(layer, scheme, 0)
    fan_in = 64 if isinstance(layer, nn.Linear) else layer.in_channels // layer.groups * 9
    deviation = math.sqrt(2 / fan_in) if scheme == "kaiming" else 1.0
    z = layer.weight.detach().double().flatten() / deviation
    n = len(z)
    # Five sigma of the mean, of the deviation, and of the share within one sigma.
    assert abs(float(z.mean())) < 5 / math.sqrt(n)
    assert abs(float(z.std()) - 1) < 5 / math.sqrt(2 * n)
    inside = float((z.abs() < 1).double().mean())
    assert abs(inside - 0.6827) < 5 * math.sqrt(0.6827 * 0.3173 / n)
    assert layer.bias is not None
    assert not layer.bias.any()


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_default_weights_are_those_of_torch(layer: nn.Conv2d | nn.Linear) -> None:
    initialise(layer, "default", 0)
    bound = 1 / math.sqrt(layer.weight[0].numel())  # U(-b, b)
    weight = layer.weight.detach().double().flatten() / bound
    n = len(weight)
    assert 0.99 < float(weight.abs().max()) <= 1
    assert abs(float(weight.mean())) < 5 / math.sqrt(3 * n)
    assert abs(float((weight**2).mean()) - 1 / 3) < 5 * math.sqrt(4 / 45 / n)
    assert layer.bias is not None
    assert 0 < float(layer.bias.detach().abs().max()) <= bound


def test_default_equals_building_the_layer_anew() -> None:
    layer = nn.Conv2d(3, 4, 3)
    initialise(layer, "default", 5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        new = nn.Conv2d(3, 4, 3)
    assert layer.weight.equal(new.weight)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_batch_norms_are_reset(scheme: str) -> None:
    network = randomised(Network(MIXED, 10)).float().train()
    network(torch.randn(2, 3, 8, 8))
    initialise(network, scheme, 0)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 51
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        assert (norm.weight == 1).all()
        assert (norm.running_var == 1).all()
        zeros = (norm.bias, norm.running_mean, norm.num_batches_tracked)
        assert not any(tensor.any() for tensor in zeros)


def test_layers_are_independent() -> None:
    network = Network(MIXED, 10)
    initialise(network, "kaiming", 0)
    weights = [p for p in network.parameters() if p.shape == (16, 16, 3, 3)]
    assert len(weights) > 1
    assert not any(a.equal(b) for a in weights for b in weights if a is not b)


def test_unknown_scheme() -> None:
    with pytest.raises(ValueError, match="unknown initialisation 'xavier'"):
        initialise(Network(MIXED, 10), "xavier", 0)


def test_derived_seeds() -> None:
    assert derive_seed("nasbench201", "cifar10", 0) == derive_seed("nasbench201", "cifar10", "0")
    # A fact to hold: scores in existing stores depend on it.
    assert derive_seed("weights", 0) == 6270048173454430102
    parts = [("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), ("ab", "c", "")]
    seeds = {derive_seed(*each) for each in parts}
    assert len(seeds) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_weights_are_shared_by_proxies_of_one_initialisation() -> None:
    nwot, synflow = PROXIES["nwot"], PROXIES["synflow"]
    key = ("nasbench201", "cifar10", MIXED.id, 0)
    assert weight_seed(*key, nwot) == weight_seed(*key, synflow)
    assert weight_seed(*key, nwot) != weight_seed(*key, replace(nwot, init="default"))
    others = [
        ("nasbench101", "cifar10", MIXED.id, 0),
        ("nasbench201", "cifar100", MIXED.id, 0),
        ("nasbench201", "cifar10", "another", 0),
        ("nasbench201", "cifar10", MIXED.id, 1),
    ]
    assert len({weight_seed(*each, nwot) for each in (key, *others)}) == 5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_other_modules_reset_themselves_from_the_seed(scheme: str) -> None:
    network = nn.Sequential(nn.LayerNorm(4), RelativePositionBias(3))
    with torch.no_grad():
        for p in network.parameters():
            p.fill_(7)
    before = torch.get_rng_state()
    one, again, other = (drawn(network, scheme, seed) for seed in (1, 1, 2))
    assert torch.get_rng_state().equal(before)
    assert one["0.weight"].equal(torch.ones(4))
    assert not one["0.bias"].any()
    assert one["1.table"].equal(again["1.table"])
    assert not one["1.table"].equal(other["1.table"])
    assert 0.01 < float(one["1.table"].std()) < 0.03
