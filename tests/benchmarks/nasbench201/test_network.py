"""NAS-Bench-201 networks against the definition of the cell and of the skeleton."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.nasbench201.architecture import Cell
from benchmarks.nasbench201.network import CellBlock, Network, ReductionBlock
from tests.benchmarks.nasbench201.strategies import cells
from tests.reference.nasbench201_cell import (
    Array,
    Convolution,
    cell_forward,
    reduction_forward,
)

MIXED = Cell(
    ("nor_conv_1x1", "none", "nor_conv_3x3", "skip_connect", "avg_pool_3x3", "nor_conv_3x3")
)
ALL_NONE = Cell(("none",) * 6)


def _images(batch: int, resolution: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, resolution, resolution, generator=generator)


# ------------------------------------------------------------------ one block


def _randomise(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=generator)


def _parameters(block: CellBlock, cell: Cell) -> list[Convolution | None]:
    modules = iter(block.edges)
    found: list[Convolution | None] = []
    for op in cell.ops:
        module = None if op == "none" else next(modules)
        if not op.startswith("nor_conv"):
            found.append(None)
            continue
        assert module is not None
        weight, scale, shift = (p.detach().numpy() for p in module.parameters())
        found.append(Convolution(weight, scale, shift))
    return found


def _forward(block: nn.Module, x: Array) -> Array:
    out: Tensor = block(torch.from_numpy(x))
    return out.detach().numpy()


@settings(max_examples=60)
@given(cells, st.integers(1, 4), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_cell_computes_what_its_definition_says(
    cell: Cell, channels: int, resolution: int, seed: int
) -> None:
    block = CellBlock(cell, channels).double()
    _randomise(block, seed)
    x = np.random.RandomState(seed).standard_normal((3, channels, resolution, resolution))
    expected = cell_forward(cell.ops, x, _parameters(block, cell))
    np.testing.assert_allclose(_forward(block, x), expected, rtol=1e-9, atol=1e-9)


def test_an_edge_from_a_node_that_nothing_feeds_still_counts() -> None:
    # Node 1 is zero, but batch norm makes its shift of it.
    cell = Cell(("none", "none", "none", "none", "nor_conv_3x3", "none"))
    block = CellBlock(cell, 2)
    _randomise(block, 0)
    (_, _, shift) = block.parameters()
    out = block(torch.ones(2, 2, 4, 4))
    torch.testing.assert_close(out, shift[None, :, None, None].expand_as(out))


@pytest.mark.parametrize("seed", range(3))
def test_reduction_computes_what_its_definition_says(seed: int) -> None:
    block = ReductionBlock(2, 4).double()
    _randomise(block, seed)
    a, a_scale, a_shift, b, b_scale, b_shift, shortcut = (
        p.detach().numpy() for p in block.parameters()
    )
    x = np.random.RandomState(seed).standard_normal((3, 2, 6, 8))
    expected = reduction_forward(
        x, Convolution(a, a_scale, a_shift), Convolution(b, b_scale, b_shift), shortcut
    )
    np.testing.assert_allclose(_forward(block, x), expected, rtol=1e-9, atol=1e-9)


# ------------------------------------------------------------------ the whole network


@pytest.mark.parametrize(("classes", "resolution"), [(10, 32), (120, 16)])
@pytest.mark.parametrize("cell", [MIXED, ALL_NONE], ids=str)
def test_shapes(cell: Cell, classes: int, resolution: int) -> None:
    network, r = Network(cell, classes), resolution
    images = _images(2, resolution)
    stages = [(2, 16, r, r)] * 6 + [(2, 32, r // 2, r // 2)] * 6 + [(2, 64, r // 4, r // 4)] * 6
    assert [tuple(m.shape) for m in network.features(images)] == stages
    assert len(stages) == 18
    assert network.pre_gap(images).shape == (2, 64, r // 4, r // 4)
    assert network(images).shape == (2, classes)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_features_pre_gap_and_logits_agree(training: bool) -> None:
    network = Network(MIXED, 10).train(training)
    images = _images(2, 16)
    maps = network.features(images)
    assert (maps[0] < 0).any()  # the stem ends in a batch norm, without ReLU
    last = network.last_activation(maps[-1])
    pre_gap = network.pre_gap(images)
    torch.testing.assert_close(pre_gap, last)
    assert (pre_gap >= 0).all()
    assert pre_gap.any()
    weight, bias = network.classifier.parameters()
    logits = pre_gap.mean(dim=(2, 3)) @ weight.T + bias
    torch.testing.assert_close(network(images), logits)


def test_parameters_are_registered_in_the_official_order() -> None:
    network = Network(MIXED, 10)
    names = [name for name, _ in network.named_parameters()]
    assert names[0].startswith("stem.")
    assert names[-2:] == ["classifier.weight", "classifier.bias"]
    kernels = [(*p.shape[:2], p.shape[2]) for name, p in network.named_parameters() if p.dim() == 4]
    expected = [(16, 3, 3)]
    for width in (16, 32, 64):
        if width > 16:  # main path, then shortcut
            half = width // 2
            expected += [(width, half, 3), (width, width, 3), (width, half, 1)]
        expected += [(width, width, kernel) for kernel in (1, 3, 3)] * 5
    assert kernels == expected


def test_last_activation_stands_before_the_classifier() -> None:
    last = [p.dim() for p in Network(MIXED, 10).parameters()][-5:]
    # ... convolution's batch norm shift, last batch norm, classifier
    assert last == [1, 1, 1, 2, 1]


def test_convolutions_have_no_bias_and_batch_norms_are_torchs_own() -> None:
    for module in Network(MIXED, 10).modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
        if isinstance(module, nn.BatchNorm2d):
            assert (module.eps, module.momentum) == (1e-5, 0.1)
            assert module.affine
            assert module.track_running_stats


def test_the_empty_cell_gives_the_classifiers_bias_and_can_be_trained() -> None:
    network = Network(ALL_NONE, 10)
    logits = network(_images(3, 16))
    bias = network.classifier.bias
    torch.testing.assert_close(logits, bias.expand(3, 10))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    assert bias.grad is not None
    assert bias.grad.any()
    for parameter in network.stem.parameters():
        assert parameter.grad is None or not parameter.grad.any()


def test_a_connected_cell_sends_gradients_to_every_parameter() -> None:
    network = Network(Cell(("nor_conv_3x3",) * 6), 10)
    nn.functional.cross_entropy(network(_images(4, 16)), torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
