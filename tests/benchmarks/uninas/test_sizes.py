"""UniNAS networks on images of other sizes than they were built for."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.types import Resizes
from benchmarks.uninas import modules
from benchmarks.uninas.architecture import KNOWN, Model
from benchmarks.uninas.modules import RelativePositionBias
from benchmarks.uninas.nodes.layers import Mask
from tests.benchmarks.uninas.models import built, images, small


def _biased(bias: nn.Module, h: int, w: int) -> Tensor:
    """What a module adds to the map of an attention between the pixels of an image (h, w)."""
    seen: list[Tensor] = []

    class Over(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(bias(x) - x)
            return x

    q = torch.zeros(1, 32, h, w, dtype=torch.float64)
    modules.attend(q, q, q, Over())
    return seen[0][0, 0].detach()


@pytest.mark.parametrize("side", [1, 2, 5, 7])
def test_at_its_own_size_the_bias_is_the_table_bit_for_bit(side: int) -> None:
    bias = RelativePositionBias(side)
    s = side
    x = torch.randn(2, 1, s * s, s * s)
    index = [
        [(a - c + s - 1) * (2 * s - 1) + (b - d + s - 1) for c, d in product(range(s), repeat=2)]
        for a, b in product(range(s), repeat=2)
    ]
    assert bias(x).equal(x + bias.table[torch.tensor(index)])


def _cubic(values: list[float], place: float) -> float:
    """Cubic convolution (Keys 1981, a = -.75) at a fractional place, edges repeated."""
    total, first = 0.0, math.floor(place) - 1
    for i in range(first, first + 4):
        t = abs(place - i)
        if t <= 1:
            weight = 1.25 * t**3 - 2.25 * t**2 + 1
        else:
            weight = -0.75 * (t**3 - 5 * t**2 + 8 * t - 4)
        total += weight * values[min(max(i, 0), len(values) - 1)]
    return total


@pytest.mark.parametrize(("side", "h", "w"), [(3, 3, 5), (3, 6, 4), (4, 2, 3), (1, 2, 3)])
def test_at_another_size_the_table_is_interpolated(side: int, h: int, w: int) -> None:
    bias = RelativePositionBias(side).double()
    length = 2 * side - 1
    table = bias.table.detach().view(length, length).tolist()

    def at(rows: int, columns: int) -> float:
        """The table at a relative position of rows and columns."""
        y = (rows + h - 1 + 0.5) * length / (2 * h - 1) - 0.5
        x = (columns + w - 1 + 0.5) * length / (2 * w - 1) - 0.5
        return _cubic([_cubic(row, x) for row in table], y)

    pixels = list(product(range(h), range(w)))
    expected = torch.tensor(
        [[at(a - c, b - d) for c, d in pixels] for a, b in pixels], dtype=torch.float64
    )
    torch.testing.assert_close(_biased(bias, h, w), expected)


def test_an_oblong_of_as_many_pixels_is_another_size() -> None:
    bias = RelativePositionBias(4).double()
    square, oblong = _biased(bias, 4, 4), _biased(bias, 2, 8)
    assert square.shape == oblong.shape
    assert not square.allclose(oblong)


def test_a_map_that_is_none_between_pixels_of_one_image_is_refused() -> None:
    bias = RelativePositionBias(2)
    for shape in ((1, 3, 4, 9), (1, 3, 6, 6)):
        with pytest.raises(InputError, match=f"map of {shape[2]} x {shape[3]}, which are not the"):
            bias(torch.zeros(shape))
    assert modules._GRID.get() == (0, 0)


def test_the_grid_is_that_of_the_innermost_attention() -> None:
    # An attention on the map of another: its own map stands between that map's elements.
    inner = "fork[convexp3,concat](;;),fork[chunk,matmul](;;;relpos)"
    outer = f"fork[convexp3,concat](;;),fork[chunk,matmul](;;;{inner},relpos)"
    network = built(Model.parse(f"4-4:96-96:R/{{{outer}|}}:px=16:classes=5")).eval()
    grids: list[tuple[int, int]] = []
    for module in network.modules():
        if isinstance(module, RelativePositionBias):
            module.register_forward_pre_hook(lambda *_: grids.append(modules._GRID.get()))
    network.stages(torch.randn(1, 3, 16, 32))
    assert grids == [(8, 8), (2, 4)]


def test_the_band_keeps_its_width_at_another_size() -> None:
    mask = Mask().module((1, 4, 4), True)
    x = torch.randn(2, 3, 9, 12)
    expected = x.clone()
    for row, column in product(range(9), range(12)):
        if abs(row - column) > 5:
            expected[:, :, row, column] = 0
    assert mask(x).equal(expected)
    own = Mask().module((1, 9, 12), True)
    assert own(x).equal(expected)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_known_networks_take_images_of_any_size(name: str) -> None:
    stages = KNOWN[name].id.split(":")[2]
    network = built(Model.parse(f"4-4:96-96-96-96:{stages}:px=32:classes=5")).eval()
    with torch.no_grad():
        maps = network.stages(torch.randn(1, 3, 64, 96))
    assert [tuple(m.shape[2:]) for m in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert all(m.isfinite().all() for m in maps)


def test_turned_images_give_turned_maps() -> None:
    """With a symmetric table, rows and columns may change places."""
    model = small("T/T", px=16)
    network = built(model).double().eval()
    for module in network.modules():
        if isinstance(module, RelativePositionBias):
            table = module.table.data.view(2 * module.side - 1, -1)
            table.copy_((table + table.T) / 2)
        if isinstance(module, nn.Conv2d):
            module.weight.data = (module.weight.data + module.weight.data.transpose(2, 3)) / 2
    x = torch.randn(1, 3, 16, 40, dtype=torch.float64)
    there, back = network.stages(x), network.stages(x.transpose(2, 3))
    for a, b in zip(there, back, strict=True):
        torch.testing.assert_close(a, b.transpose(2, 3))


def test_weights_of_another_resolution_are_loaded() -> None:
    trained, larger = built(small("R/T", px=16), seed=1), built(small("R/T", px=32), seed=2)
    state = trained.state_dict()
    before = {name: value.clone() for name, value in state.items()}
    larger.load_state_dict(state)
    assert all(state[name].equal(value) for name, value in before.items())
    tables = [m for m in larger.modules() if isinstance(m, RelativePositionBias)]
    assert tables
    assert all(isinstance(m, Resizes) for m in tables)
    inputs = images(small("R/T", px=32))
    for ours, theirs in zip(larger.stages(inputs), trained.stages(inputs), strict=True):
        torch.testing.assert_close(ours, theirs)
    state["blocks.1.sub1.0.connections.0.0.table"] = torch.zeros(10)
    with pytest.raises(InputError, match=r"\(2 side - 1\)\^2 entries, not 10"):
        larger.load_state_dict(state)
