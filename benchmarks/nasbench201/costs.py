"""Size of a NAS-Bench-201 cell's network, by closed formulas."""

from __future__ import annotations

from benchmarks.nasbench201.architecture import CELLS_PER_STAGE, STAGE_CHANNELS, Cell
from benchmarks.types import Costs, Dataset


def costs(cell: Cell, task: Dataset) -> Costs:
    """Closed-form parameters, multiply-adds and parameter tensors.

    Multiply-adds are those of convolutions and the classifier (its bias included), as
    in the benchmark; batch norm, pooling and ReLU count nothing.
    """
    n3 = cell.ops.count("nor_conv_3x3")
    n1 = cell.ops.count("nor_conv_1x1")
    taps, convs = 9 * n3 + n1, n3 + n1
    first, last = STAGE_CHANNELS[0], STAGE_CHANNELS[-1]

    params = first * 3 * 9 + 2 * first  # stem: convolution and batch norm
    flops = first * 3 * 9 * task.resolution**2
    for stage, width in enumerate(STAGE_CHANNELS):
        pixels = (task.resolution >> stage) ** 2
        params += CELLS_PER_STAGE * (taps * width**2 + 2 * width * convs)
        flops += CELLS_PER_STAGE * taps * width**2 * pixels
        if stage > 0:  # reduction: 3x3, 3x3 and the 1x1 shortcut
            narrow = STAGE_CHANNELS[stage - 1]
            weights = 9 * narrow * width + 9 * width**2 + narrow * width
            params += weights + 4 * width
            flops += weights * pixels
    params += 2 * last + last * task.classes + task.classes
    flops += last * task.classes + task.classes
    # Outside the cells: stem 3, two reductions of 7, last batch norm 2, classifier 2.
    layers = 21 + 3 * CELLS_PER_STAGE * len(STAGE_CHANNELS) * convs
    return Costs(params=params, flops=flops, layers=layers)
