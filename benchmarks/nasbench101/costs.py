"""Size of a NAS-Bench-101 cell's network, by closed formulas."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.nasbench101.architecture import (
    CELLS_PER_STACK,
    STACKS,
    STEM_CHANNELS,
    Cell,
    vertex_channels,
)
from benchmarks.types import Costs, Dataset

_KERNEL_AREA = {"conv3x3-bn-relu": 9, "conv1x1-bn-relu": 1}


def costs(cell: Cell, task: Dataset) -> Costs:
    """Closed-form parameters, multiply-adds and parameter tensors.

    Multiply-adds are those of convolutions and the classifier, its bias included.
    """
    params, flops = _conv_bn(9, 3, STEM_CHANNELS, task.resolution**2)
    layers = 3
    c_in = c_out = STEM_CHANNELS
    for stack in range(STACKS):
        c_out = STEM_CHANNELS << stack
        for _ in range(CELLS_PER_STACK):
            pixels = (task.resolution >> stack) ** 2
            for area, narrow, wide in convolutions(cell, c_in, c_out):
                more = _conv_bn(area, narrow, wide, pixels)
                params, flops, layers = params + more[0], flops + more[1], layers + 3
            c_in = c_out
    head = c_out * task.classes + task.classes
    return Costs(params=params + head, flops=flops + head, layers=layers + 2)


def convolutions(cell: Cell, c_in: int, c_out: int) -> Iterator[tuple[int, int, int]]:
    """Kernel area, input and output channels of every convolution in a cell."""
    channels = vertex_channels(cell, c_in, c_out)
    for vertex, op in enumerate(cell.ops):
        if vertex and cell.matrix[0][vertex]:
            yield 1, c_in, channels[vertex]  # the projection of the input
        if op in _KERNEL_AREA:
            yield _KERNEL_AREA[op], channels[vertex], channels[vertex]


def _conv_bn(area: int, c_in: int, c_out: int, pixels: int) -> tuple[int, int]:
    """Parameters and multiply-adds of a convolution without bias and its batch norm."""
    weights = area * c_in * c_out
    return weights + 2 * c_out, weights * pixels
