from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.nasbench201.architecture import Cell
from benchmarks.uninas.architecture import Model
from benchmarks.uninas.costs import counts as size_of
from benchmarks.uninas.network import Network as UniNASNetwork
from harness.scoring.jacobian import (
    forward,
    scalar_jacobian,
    scalar_jacobian_reference,
    scalar_parameters,
)
from tests.harness.networks import (
    ALL_NONE,
    ALL_SKIP,
    MIXED,
    network_of,
    noise,
    random_cells,
    randomised,
    state_of,
)
from tests.reference import vkdnw as literal


def assert_same(found: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    """Equal to `tolerance` of the largest entry of every column of the Jacobian."""
    assert found.shape == expected.shape
    scale = expected.abs().amax((0, 1))
    error = (found - expected).abs().amax((0, 1))
    assert (error <= tolerance * scale + 1e-15).all(), (error / scale).max()


class Custom(nn.Module):
    """What NAS-Bench-201 lacks: strides, groups, dilation, conv biases, unusual neighbours."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.BatchNorm2d(3)  # not behind a convolution
        self.strided = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6))
        self.depthwise = nn.Sequential(
            nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=6, bias=False), nn.BatchNorm2d(6)
        )
        self.grouped = nn.Conv2d(6, 8, (3, 2), stride=(1, 2), padding=(0, 1), groups=2)
        self.loose = nn.BatchNorm2d(8)
        self.twice = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.unfolded = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))
        self.middle = nn.Linear(8, 7)
        self.head = nn.Linear(7, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(self.strided(self.first(x)).tanh()).tanh()
        x = self.loose(self.grouped(x)).tanh()
        x = x + self.twice(self.twice(x).tanh())
        x = self.unfolded(x).tanh()
        x = self.middle(x.permute(0, 2, 3, 1)).tanh()  # on every pixel
        out: Tensor = self.head(x.mean((1, 2)))
        return out


def custom(classes: int) -> nn.Module:
    network = Custom(classes)
    randomised(network)
    with torch.no_grad():
        # A scale of zero cannot be divided out of the output of a folded pair.
        network.get_parameter("unfolded.1.weight")[0] = 0
    return network


@pytest.mark.parametrize(("classes", "seed"), [(10, 0), (10, 1), (100, 2), (120, 3)])
def test_equals_reference_on_cells(classes: int, seed: int) -> None:
    (cell,) = random_cells(1, seed)
    network, inputs = network_of(cell, classes, seed), noise(2)
    names = scalar_parameters(network, None)
    expected = scalar_jacobian_reference(network, inputs, names)
    for directions in (1, 3):
        logits, found = scalar_jacobian(network, inputs, names, directions=directions)
        assert_same(found, expected)
        assert_same(logits[..., None], network(inputs).detach()[..., None])


@pytest.mark.parametrize("cell", [ALL_NONE, ALL_SKIP])
def test_equals_reference_on_cells_without_parameters(cell: Cell) -> None:
    network, inputs = network_of(cell), noise(2)
    names = scalar_parameters(network, None)
    expected = scalar_jacobian_reference(network, inputs, names)
    assert_same(scalar_jacobian(network, inputs, names)[1], expected)


# Fewer and more classes than the classifier has features: two ways through it.
@pytest.mark.parametrize("classes", [5, 11])
@pytest.mark.parametrize("directions", [1, 3, 16])
def test_equals_reference_on_custom_network(classes: int, directions: int) -> None:
    network, inputs = custom(classes), noise(3)
    names = scalar_parameters(network, None)
    expected = scalar_jacobian_reference(network, inputs, names)
    assert (expected.abs().amax((0, 1)) > 0).sum() > len(names) - 6  # almost none is trivial
    assert_same(scalar_jacobian(network, inputs, names, directions=directions)[1], expected)


def test_reference_equals_single_samples() -> None:
    network, inputs = custom(5), noise(2)
    names = scalar_parameters(network, None)
    expected = torch.from_numpy(literal.jacobian(network, inputs, names))
    assert_same(scalar_jacobian_reference(network, inputs, names), expected)


def test_any_names_in_any_order() -> None:
    network, inputs = custom(5), noise(2)
    names = scalar_parameters(network, None)
    whole = scalar_jacobian(network, inputs, names)[1]
    some = ["head.bias", "depthwise.1.weight", "first.bias", "strided.0.bias"]
    found = scalar_jacobian(network, inputs, some)[1]
    assert_same(found, whole[:, :, [names.index(name) for name in some]])


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(
            nn.PReLU(),
            marks=pytest.mark.xfail(strict=True, reason="torch.func's vmap(jacrev) of it raises"),
        ),
        nn.GroupNorm(2, 4),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.ConvTranspose2d(4, 4, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_falls_back_for_layers_without_rule(layer: nn.Module) -> None:
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), layer, nn.Tanh())
    network = randomised(
        nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    )
    inputs, names, before = noise(3), scalar_parameters(network, None), state_of(network)
    logits, found = scalar_jacobian(network, inputs, names)
    assert state_of(network) == before
    assert_same(found, torch.from_numpy(literal.jacobian(network, inputs, names)))
    assert_same(logits[..., None], network(inputs).detach()[..., None])


class SharedClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        self.linear = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.linear(self.conv(x).mean((2, 3))).tanh())
        return out


class TiedWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 3, bias=False)
        self.b = nn.Conv2d(3, 3, 3, bias=False)
        self.b.weight = self.a.weight
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.b(self.a(x).tanh()).tanh().mean((2, 3)))
        return out


class FunctionalCall(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.conv2d(x, self.conv.weight, self.conv.bias)
        out: Tensor = self.head(x.tanh().mean((2, 3)))
        return out


class SwitchedBatchNorms(nn.Module):
    """One convolution before two batch norms, as in slimmable networks."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv2d(3, 3, 3)
        self.a = nn.Sequential(conv, nn.BatchNorm2d(3))
        self.b = nn.Sequential(conv, nn.BatchNorm2d(3))
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.b(self.a(x).tanh()).tanh().mean((2, 3)))
        return out


class PairTakenApart(nn.Module):
    """A convolution whose output is read before the batch norm behind it, too."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pair(x).tanh() + self.pair[0](x).tanh()
        out: Tensor = self.head(x.mean((2, 3)))
        return out


def classified(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


def conv_bn(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4)


@pytest.mark.parametrize(
    "build",
    [
        SharedClassifier,
        TiedWeights,
        FunctionalCall,
        SwitchedBatchNorms,
        PairTakenApart,
        pytest.param(
            lambda: classified(*conv_bn(3), nn.ReLU(inplace=True)),
            id="ReLU in place",
        ),
        pytest.param(
            lambda: classified(*conv_bn(3), nn.Tanh(), *conv_bn(4), nn.ELU(inplace=True)),
            id="ELU in place, later",
        ),
    ],
)
def test_equals_reference_on_unusual_networks(build: Callable[[], nn.Module]) -> None:
    network, inputs = randomised(build()), noise(3)
    names, before = scalar_parameters(network, None), state_of(network)
    expected = scalar_jacobian_reference(network, inputs, names)
    assert state_of(network) == before
    assert_same(scalar_jacobian(network, inputs, names)[1], expected)
    assert state_of(network) == before


@pytest.mark.parametrize("directions", [1, 3])
def test_equals_reference_on_vectors(directions: int) -> None:
    network = randomised(nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 5)))
    inputs, names = noise(3).flatten(1)[:, :7], scalar_parameters(network)
    expected = scalar_jacobian_reference(network, inputs, names)
    assert_same(scalar_jacobian(network, inputs, names, directions=directions)[1], expected)


def test_samples_do_not_mix() -> None:
    network, inputs = network_of(MIXED), noise(4)
    names = scalar_parameters(network, None)
    whole = scalar_jacobian(network, inputs, names)[1]
    assert_same(scalar_jacobian(network, inputs[2:3], names)[1], whole[2:3])


def test_leaves_the_network_as_found() -> None:
    network, inputs = custom(5), noise(2)
    next(network.parameters()).requires_grad_(False)
    before, images = state_of(network), inputs.clone()
    logits, jacobian = scalar_jacobian(network, inputs, scalar_parameters(network, None))
    assert state_of(network) == before
    assert inputs.equal(images)
    assert not any(tensor.requires_grad for tensor in (inputs, logits, jacobian))


class Explodes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("a layer broke")


def test_leaves_the_network_as_found_after_an_error() -> None:
    network = randomised(classified(*conv_bn(3), nn.ReLU(), *conv_bn(4), Explodes()))
    next(network.parameters()).requires_grad_(False)
    before = state_of(network)
    with pytest.raises(RuntimeError, match="a layer broke"):
        scalar_jacobian(network, noise(2), scalar_parameters(network))
    assert state_of(network) == before


def test_works_without_grad_mode() -> None:
    network, inputs = network_of(MIXED), noise(2)
    names = scalar_parameters(network)
    expected = scalar_jacobian(network, inputs, names)[1]
    with torch.no_grad():
        assert scalar_jacobian(network, inputs, names)[1].equal(expected)
        assert not torch.is_grad_enabled()


def test_refuses_networks_that_mix_samples() -> None:
    network, inputs = custom(5), noise(2)
    network.get_submodule("depthwise.1").train()
    with pytest.raises(ValueError, match="eval mode"):
        scalar_jacobian(network, inputs, ["head.weight"])
    batch_statistics = nn.BatchNorm2d(4, track_running_stats=False)
    network = randomised(classified(nn.Conv2d(3, 4, 3), batch_statistics))
    with pytest.raises(ValueError, match="running statistics"):
        scalar_jacobian(network, inputs, ["0.weight"])


def test_frees_its_activations() -> None:
    network, inputs = network_of(MIXED), noise(2)
    names = scalar_parameters(network)
    scalar_jacobian(network, inputs, names)
    gc.collect()
    gc.disable()  # a reference cycle would live on until the collector runs
    try:
        before = sum(type(thing) is Tensor for thing in gc.get_objects())
        scalar_jacobian(network, inputs, names)
        after = sum(type(thing) is Tensor for thing in gc.get_objects())
    finally:
        gc.enable()
    assert after == before


def test_scalar_parameters_are_the_first_in_order() -> None:
    network = network_of(MIXED)
    names = [name for name, _ in network.named_parameters()]
    assert len(names) > 128
    assert scalar_parameters(network) == names[:128]
    assert scalar_parameters(network, None) == names
    assert scalar_parameters(network, 3) == names[:3]


# ------------------------------------------------------------------ forwards


@pytest.mark.parametrize("directions", [1, 4, None])
def test_equals_reference_forwards(directions: int | None) -> None:
    # Fewer scalars than backward passes: the other way. It needs a rule for no layer.
    layers = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.GELU()),
        nn.PReLU(),
        nn.Conv2d(6, 40, 3, padding=1, padding_mode="circular"),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(40, 30),
        nn.LayerNorm(30),
        nn.Linear(30, 50),
    )
    network, inputs = randomised(layers), noise(3)
    names = scalar_parameters(network)
    assert len(names) < 30
    before = state_of(network)
    logits, found = scalar_jacobian(network, inputs, names, directions=directions)
    assert state_of(network) == before
    # Not by torch.func, which raises at PReLU.
    assert_same(found, torch.from_numpy(literal.jacobian(network, inputs, names)))
    assert_same(logits[..., None], network(inputs).detach()[..., None])


def test_falls_back_where_it_cannot_go_forwards() -> None:
    # torch.func's forward mode of a group norm fails on channels-last maps.
    body = nn.Sequential(nn.Conv2d(3, 40, 3, stride=2), nn.GroupNorm(2, 40), nn.Tanh())
    network = randomised(nn.Sequential(body, nn.Flatten(), nn.Linear(360, 50)))
    inputs = noise(3)
    names = scalar_parameters(network)
    expected = scalar_jacobian_reference(network, inputs, names)
    assert_same(scalar_jacobian(network, inputs, names)[1], expected)


def test_a_few_samples_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network, inputs = randomised(custom(50)), noise(5)
    names = scalar_parameters(network, 5)
    whole = scalar_jacobian(network, inputs, names)[1]
    monkeypatch.setattr(forward, "_PIXELS", 2 * 8 * 64)
    assert_same(scalar_jacobian(network, inputs, names)[1], whole)
    assert_same(whole, scalar_jacobian_reference(network, inputs, names))


def test_forwards_leaves_the_network_as_found_after_an_error() -> None:
    network = nn.Sequential(nn.Conv2d(3, 40, 3), nn.GroupNorm(2, 40), Explodes(), nn.Linear(40, 50))
    before = state_of(randomised(network))
    with pytest.raises(RuntimeError, match="a layer broke"):
        scalar_jacobian(network, noise(2), scalar_parameters(network))
    assert state_of(network) == before


@pytest.mark.parametrize("classes", [7, 120])
@pytest.mark.parametrize("stages", ["T/R", "E/{avg(bn),ln,mask|attention(4*;gelu;10*),zero}"])
def test_equals_reference_on_uninas(stages: str, classes: int) -> None:
    model = Model.parse(f"4-4:96-96:{stages}:px=16:classes={classes}")
    network, inputs = randomised(UniNASNetwork(model)), noise(2, 16)
    names = scalar_parameters(network)
    assert len(names) == size_of(model).tensors
    expected = torch.from_numpy(literal.jacobian(network, inputs, names))
    assert_same(scalar_jacobian(network, inputs, names)[1], expected)


def test_frozen_parameters_are_left_out() -> None:
    network = custom(5)
    names = scalar_parameters(network, None)
    network.get_parameter(names[3]).requires_grad_(False)
    assert scalar_parameters(network, None) == names[:3] + names[4:]
    assert scalar_parameters(network, 4) == names[:3] + names[4:5]
