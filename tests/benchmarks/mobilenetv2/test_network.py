"""MobileNetV2 networks against the definition, the closed forms and the published counters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from benchmarks.mobilenetv2.architecture import KNOWN, Structure, Unit
from benchmarks.mobilenetv2.costs import counts
from benchmarks.mobilenetv2.network import InvertedResidual, Network
from tests.benchmarks.mobilenetv2.walks import SMALL, SPACE, structures
from tests.reference.count import macs


def _images(batch: int, resolution: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, resolution, resolution, generator=generator)


# ------------------------------------------------------------------ one unit


def _norm(x: Tensor, bn: nn.Module) -> Tensor:
    assert isinstance(bn, nn.BatchNorm2d)
    centred = x - x.mean((0, 2, 3), keepdim=True)
    variance = (centred**2).mean((0, 2, 3), keepdim=True)
    scale, shift = (p[None, :, None, None] for p in (bn.weight, bn.bias))
    return centred / (variance + 1e-3).sqrt() * scale + shift


@pytest.mark.parametrize("se", [False, True], ids=["plain", "se"])
@pytest.mark.parametrize(
    "unit",
    [
        Unit(8, 24, 16, 5, 2, projects=True),
        Unit(8, 8, 8, 3, 1, projects=False),
        Unit(8, 16, 8, 7, 1, projects=True),
    ],
    ids=str,
)
def test_unit_computes_what_its_definition_says(unit: Unit, se: bool) -> None:
    torch.manual_seed(0)
    block = InvertedResidual(unit, se=se).double()
    for p in block.parameters():
        nn.init.normal_(p)
    x = torch.randn(3, 8, 6, 6, dtype=torch.float64)
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    expand, depthwise = convs[:2]
    y = _norm(nn.functional.conv2d(x, expand.weight), norms[0]).relu()
    pad, stride = unit.kernel // 2, unit.stride
    y = nn.functional.conv2d(y, depthwise.weight, None, stride, pad, groups=unit.hidden)
    y = _norm(y, norms[1]).relu()
    number = 2
    if se:
        s = y.mean((2, 3), keepdim=True)
        s = _norm(nn.functional.conv2d(s, convs[2].weight), norms[2]).relu()
        y = y * _norm(nn.functional.conv2d(s, convs[3].weight), norms[3]).sigmoid()
        number = 4
    y = _norm(nn.functional.conv2d(y, convs[number].weight), norms[number])
    if unit.projects:
        projection = nn.functional.conv2d(
            x[:, :, ::stride, ::stride], convs[-1].weight, convs[-1].bias
        )
        y = y + _norm(projection, norms[-1])
    else:
        y = y + x
    np.testing.assert_allclose(block(x).detach(), y.relu().detach(), rtol=1e-9, atol=1e-9)


# ------------------------------------------------------------------ the whole network


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_features_pre_gap_and_logits_agree(training: bool) -> None:
    network = Network(SPACE.initial, 10).train(training)
    images = _images(2, 64)
    maps = network.features(images)
    widths = [8, 8, 32, 32, 48, 48, 96, 96, 128, 2048]  # top-level ReLUs: the stem, units, tail
    sides = [32, 16, 16, 8, 8, 4, 4, 2, 2, 2]
    assert [tuple(m.shape) for m in maps] == [
        (2, c, r, r) for c, r in zip(widths, sides, strict=True)
    ]
    assert all((m >= 0).all() for m in maps)
    pre_gap = network.pre_gap(images)
    torch.testing.assert_close(pre_gap, maps[-1])
    weight, bias = network.classifier.parameters()
    logits = pre_gap.mean(dim=(2, 3)) @ weight.T + bias
    torch.testing.assert_close(network(images), logits)
    torch.testing.assert_close(network.head(maps[-1]), logits)


def test_layers_are_the_published_ones() -> None:
    network = Network(KNOWN["zico-450M"], 10, se=True)
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.eps, module.momentum) == (1e-3, 0.1)
        if isinstance(module, nn.Conv2d):
            assert (module.bias is not None) == ("shortcut" in name)
            kernel, padding = module.kernel_size[0], module.padding[0]
            assert padding == (kernel - 1) // 2
    names = [name for name, _ in Network(SPACE.initial, 10).named_parameters()]
    first = [name for name in names if name.startswith("blocks.1.0.")]
    assert [name.split(".")[3] for name in first] == ["body"] * 9 + ["shortcut"] * 4
    assert names[-2:] == ["classifier.weight", "classifier.bias"]
    assert repr(network.blocks[1]).startswith("SuperResIDWE1K7(")


def test_gradients_reach_every_parameter() -> None:
    network = Network(SMALL, 10, se=True)
    nn.functional.cross_entropy(network(_images(4, 32)), torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name


# ------------------------------------------------------------------ counts


def _search_flops(network: Network, resolution: int) -> float:
    """The published counter read off the modules: batch norms count one a value, the projection
    is divided by the square of its stride twice."""
    total = 0.0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if module in projections:
            assert isinstance(module, nn.Conv2d)
            weights = module.weight.numel() + module.out_channels
            total += weights * (output.shape[-1] / module.stride[0]) ** 2
        elif isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.BatchNorm2d):
            total += output.numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()

    shortcuts = [
        list(m.shortcut.children()) for m in network.modules() if isinstance(m, InvertedResidual)
    ]
    projections = {pair[0] for pair in shortcuts if pair}
    within = {module for pair in shortcuts for module in pair}
    counted = [m for m in network.modules() if m in projections or m not in within]
    handles = [m.register_forward_hook(count) for m in counted]
    network.eval()(torch.zeros(1, 3, resolution, resolution, device="meta"))
    for handle in handles:
        handle.remove()
    return total


def _search_size(network: Network) -> int:
    """The published counter: a batch norm counts half its parameters, those of projections
    nothing, the classifier's bias one."""
    total = network.classifier.weight.numel() + 1
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            total += sum(p.numel() for p in module.parameters())
        elif isinstance(module, nn.BatchNorm2d) and "shortcut" not in name:
            total += module.num_features
    return total


@settings(max_examples=8)
@given(structures)
def test_closed_forms_are_the_built_networks(structure: Structure) -> None:
    for resolution, classes, se in ((64, 10, False), (96, 1000, True)):
        with torch.device("meta"):
            network = Network(structure, classes, se=se).eval()
            image = torch.zeros(1, 3, resolution, resolution)
        size = counts(structure, resolution, classes, se=se)
        parameters = list(network.parameters())
        assert size.params == sum(p.numel() for p in parameters)
        assert size.tensors == len(parameters)
        assert size.flops == macs(network, image)
        if not se:
            assert size.search_flops == _search_flops(network, resolution)
            assert size.search_size == _search_size(network)


def test_network_of_the_space() -> None:
    network = SPACE.network(SPACE.initial, "imagenet-64-10")
    assert network(_images(2, 64)).shape == (2, 10)
    with_se = SPACE.network_with_se(SPACE.initial, "imagenet")
    figures = SPACE.figures(SPACE.initial, "imagenet")
    assert sum(p.numel() for p in with_se.parameters()) == figures["se_params"]


# ------------------------------------------------------------------ stages, stochastic depth


def test_stages_are_the_last_maps_of_each_stride() -> None:
    structure = Structure.parse(
        "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE1K3(8,8,2,8,1)SuperResIDWE2K3(8,16,1,8,1)"
        "SuperResIDWE1K5(16,24,2,16,1)SuperResIDWE1K3(24,24,2,24,1)SuperResIDWE1K3(24,32,2,24,1)"
        "SuperConvK1BNRELU(32,128,1,1)"
    )
    network = Network(structure, 10).eval()
    inputs = _images(2, 64)
    maps, features = network.stages(inputs), network.features(inputs)
    ends = (4, 6, 8, 10)  # two units a sublayer behind the stem
    assert [m.equal(features[i]) for m, i in zip(maps, ends, strict=True)] == [True] * 4
    sizes = [(m.shape[1], 64 // m.shape[2]) for m in maps]
    assert sizes == list(zip(network.stage_channels, (4, 8, 16, 32), strict=True))
    assert network.stage_channels == (16, 24, 24, 32)
    assert network.beyond_stages == ("blocks.6", "pool", "classifier")


def test_a_structure_may_lack_a_stride() -> None:
    structure = Structure.parse("SuperConvK3BNRELU(3,8,2,1)SuperResIDWE1K3(8,8,2,8,1)")
    network = Network(structure, 10)
    assert network.stage_channels == (8,)
    assert [tuple(m.shape) for m in network.stages(_images(2, 32))] == [(2, 8, 8, 8)]


def test_drop_path_leaves_out_the_convolutions_of_single_images() -> None:
    networks = []
    for made in (SPACE.network, lambda *of: SPACE.network_with(*of, drop_path=0.5)):
        torch.manual_seed(0)
        networks.append(made(SPACE.initial, "imagenet-32").eval())
    plain, dropped = networks
    inputs = _images(2, 32)
    assert plain(inputs).equal(dropped(inputs))
    units = [m for m in dropped.modules() if isinstance(m, InvertedResidual)]
    assert np.allclose([unit.drop_path for unit in units], np.linspace(0, 0.5, 8))
    last = units[-1].train()
    x = torch.randn(64, 96, 2, 2)
    out, alone = last(x), last.shortcut(x).relu()
    left_out = (out == alone).flatten(1).all(1)
    assert 10 < int(left_out.sum()) < 54
