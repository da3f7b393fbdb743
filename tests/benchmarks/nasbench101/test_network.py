"""NAS-Bench-101 networks against the definition of the cell, the table and the public port."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.nasbench101.architecture import OPS, Cell
from benchmarks.nasbench101.enumeration import Enumeration
from benchmarks.nasbench101.network import CellBlock, Network
from benchmarks.nasbench101.space import NASBench101Space
from harness.scoring.sampling import sample
from tests.benchmarks.nasbench101.strategies import BRANCHED, cells
from tests.reference.nasbench101_cell import cell_forward

SHORT = Cell.of([[0, 1], [0, 0]], ["input", "output"])


def _randomise(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=generator)


def _images(batch: int, channels: int, resolution: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(
        batch, channels, resolution, resolution, generator=generator, dtype=torch.float64
    )


@settings(max_examples=60)
@given(cells, st.integers(1, 6), st.integers(6, 12), st.integers(2, 6), st.integers(0, 2**31))
def test_cell_computes_what_its_definition_says(
    cell: Cell, c_in: int, c_out: int, resolution: int, seed: int
) -> None:
    block = CellBlock(cell, c_in, c_out).double()
    _randomise(block, seed)
    x = _images(3, c_in, resolution, seed)
    in_order: list[Tensor] = []
    for vertex in range(1, len(cell.ops)):
        for modules in (block.projections, block.operations):
            if str(vertex) in modules:
                in_order += modules[str(vertex)].parameters()
    expected = cell_forward(cell.matrix, cell.ops, x, c_out, iter(in_order))
    torch.testing.assert_close(block(x), expected, rtol=1e-9, atol=1e-9)


def test_shapes_and_agreement_of_the_stages() -> None:
    network = Network(BRANCHED, 10).double()
    images = _images(2, 3, 16)
    maps = network.features(images)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (128, 16, 16),
        *[(128, 16, 16)] * 3,
        *[(256, 8, 8)] * 3,
        *[(512, 4, 4)] * 3,
    ]
    torch.testing.assert_close(network.pre_gap(images), maps[-1])
    torch.testing.assert_close(network(images), network.head(maps[-1]))
    weight, bias = network.classifier.parameters()
    torch.testing.assert_close(network(images), maps[-1].mean(dim=(2, 3)) @ weight.T + bias)


def test_batch_norms_and_convolutions_are_the_benchmarks() -> None:
    for module in Network(BRANCHED, 10).modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
        if isinstance(module, nn.BatchNorm2d):
            assert module.eps == 1e-5
            assert module.momentum == pytest.approx(1 - 0.997)


def test_a_parameter_is_registered_after_those_of_earlier_vertices() -> None:
    kernels = [
        (p.shape[0], p.shape[2]) for p in CellBlock(BRANCHED, 8, 33).parameters() if p.dim() > 1
    ]
    assert (17, 3) in kernels
    assert len(kernels) == 5


@pytest.mark.parametrize("cell", [BRANCHED, SHORT], ids=["mixed", "short"])
def test_gradients_reach_every_parameter(cell: Cell) -> None:
    network = Network(cell, 10)
    logits = network(_images(4, 3, 16).float())
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_trainable_parameters_of_500_cells(real_data: Path, nasbench101_cells: Enumeration) -> None:
    table = json.loads((real_data / "nasbench101" / "data-20k.json").read_text())
    params = dict(zip(table["key"], table["trainable_parameters"], strict=True))
    space = NASBench101Space()
    for cell in sample([space.parse(key) for key in params], 500, 0):
        with torch.device("meta"):
            network = space.network(cell, "cifar10")
        assert sum(p.numel() for p in network.parameters()) == params[cell.id], cell.id


def test_equals_the_public_port(nasbench101_cells: Enumeration) -> None:
    """nasbench-pytorch: the same graph, the same weights, the same logits."""
    port = pytest.importorskip("nasbench_pytorch.model", reason="nasbench-pytorch is not installed")
    torch.manual_seed(0)
    for cell in [BRANCHED, SHORT, *nasbench101_cells[100_000:400_000:50_000]]:
        matrix, ops = [list(row) for row in cell.matrix], list(cell.ops)
        spec = port.ModelSpec(matrix, ops)
        spec.matrix = spec.matrix.numpy()  # NumPy no longer sums the torch tensor in it
        assert spec.hash_spec(list(OPS)) == cell.id
        theirs, ours = port.Network(spec), Network(cell, 10)
        _copy(theirs, ours)
        images = _images(2, 3, 8).float()
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def _copy(theirs: Any, ours: Network) -> None:
    """Weights of the public port, which registers a cell's operations before its projections."""
    _copy_parameters(theirs.layers[0], ours.stem)
    _copy_parameters(theirs.classifier, ours.classifier)
    blocks = [layer for layer in theirs.layers if hasattr(layer, "vertex_op")]
    for one, block in zip(blocks, ours.cells, strict=True):
        assert isinstance(block, CellBlock)
        for vertex, module in block.operations.items():
            _copy_parameters(one.vertex_op[int(vertex)], module)
        for vertex, module in block.projections.items():
            _copy_parameters(one.input_op[int(vertex)], module)


def _copy_parameters(source: nn.Module, target: nn.Module) -> None:
    with torch.no_grad():
        for one, other in zip(source.parameters(), target.parameters(), strict=True):
            other.copy_(one)
