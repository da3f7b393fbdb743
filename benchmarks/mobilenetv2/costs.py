"""Size of MobileNetV2 structures by closed formulas, true and by the published counters."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from benchmarks.mobilenetv2.architecture import Block, Convolution, Structure, Unit


@dataclass(frozen=True, slots=True)
class Counts:
    """Sizes of a network or of a part of it.

    Attributes:
        params: Trainable parameters.
        flops: Multiply-accumulates of convolutions and linear layers for one image, and one
            addition for each value that has a bias.
        tensors: Parameter tensors.
        search_flops: The published counter: batch norms count one a value, and the shortcut's
            convolution is divided by the square of its stride twice.
        search_size: The published counter: batch norms count one a channel, the classifier's
            bias one in all.
    """

    params: int = 0
    flops: int = 0
    tensors: int = 0
    search_flops: float = 0.0
    search_size: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.params + other.params,
            self.flops + other.flops,
            self.tensors + other.tensors,
            self.search_flops + other.search_flops,
            self.search_size + other.search_size,
        )


#: A resolution as the network has it (convolutions round up), and as the published counters.
_Sides = tuple[int, int]


def counts(structure: Structure, resolution: int, classes: int, *, se: bool = False) -> Counts:
    """Size of the structure's network by closed formulas, true and published.

    Args:
        structure: The structure.
        resolution: Side of the images in pixels.
        classes: Number of logits.
        se: Whether its units have squeeze-and-excitation.
    """
    total, sides = Counts(), (resolution, resolution)
    for block in structure.blocks:
        part, sides = _block_counts(block, sides, se)
        total += part
    width = structure.blocks[-1].c_out
    weights = width * classes
    return total + Counts(weights + classes, weights + classes, 2, weights, weights + 1)


@functools.lru_cache(maxsize=65_536)
def _block_counts(block: Block, sides: _Sides, se: bool) -> tuple[Counts, _Sides]:
    total = Counts()
    if isinstance(block, Convolution):
        c_in, stride = block.c_in, block.stride
        for _ in range(block.sublayers):
            part, sides = _convolution(c_in, block.c_out, block.kernel, sides, stride)
            total += part
            c_in, stride = block.c_out, 1
        return total, sides
    for unit in block.units():
        part, sides = _unit(unit, sides, se)
        total += part
    return total, sides


def _unit(unit: Unit, sides: _Sides, se: bool) -> tuple[Counts, _Sides]:
    expand, sides = _convolution(unit.c_in, unit.hidden, 1, sides)
    depthwise, given = _convolution(
        unit.hidden, unit.hidden, unit.kernel, sides, unit.stride, groups=unit.hidden
    )
    project, _ = _convolution(unit.hidden, unit.c_out, 1, given)
    total = expand + depthwise + project
    if se:
        weights = 2 * unit.hidden * unit.squeezed
        params = weights + 2 * unit.hidden + 2 * unit.squeezed
        scaled = unit.hidden + unit.hidden * given[1] ** 2
        total += Counts(params, weights, 6, weights + scaled, params)
    if unit.projects:
        weights = unit.c_in * unit.c_out + unit.c_out
        total += Counts(
            params=weights + 2 * unit.c_out,
            flops=weights * given[0] ** 2,
            tensors=4,
            search_flops=weights * (given[1] / unit.stride) ** 2,
            search_size=weights,
        )
    return total, given


def _convolution(
    c_in: int, c_out: int, kernel: int, sides: _Sides, stride: int = 1, groups: int = 1
) -> tuple[Counts, _Sides]:
    """A convolution without bias, and its batch norm."""
    read, published = sides
    given = -(-read // stride), published // stride
    weights = c_in // groups * c_out * kernel**2
    part = Counts(
        params=weights + 2 * c_out,
        flops=weights * given[0] ** 2,
        tensors=3,
        search_flops=weights * (published / stride) ** 2 + c_out * given[1] ** 2,
        search_size=weights + c_out,
    )
    return part, given
