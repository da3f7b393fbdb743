"""NAS-Bench-101 cells as PyTorch networks (arXiv:1902.09635, section 2 and its code).

In a cell, modules are registered vertex by vertex: the projection of the input, then the
operation; some proxies read parameters in that order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.nasbench101.architecture import (
    CELLS_PER_STACK,
    STACKS,
    STEM_CHANNELS,
    Cell,
    vertex_channels,
)

#: 1 - 0.997, the decay of the benchmark's batch norms in PyTorch's convention.
_BN_MOMENTUM = 0.003
_KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}


def _conv_bn_relu(c_in: int, c_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out, eps=1e-5, momentum=_BN_MOMENTUM),
        nn.ReLU(),
    )


class CellBlock(nn.Module):
    """One cell: (B, C_in, H, W) -> (B, C_out, H, W)."""

    def __init__(self, cell: Cell, c_in: int, c_out: int) -> None:
        super().__init__()
        self.channels = vertex_channels(cell, c_in, c_out)
        self._output = len(cell.ops) - 1
        #: Predecessors of each vertex but the input, which comes through a projection.
        self._sources = [[i for i in cell.predecessors(v) if i] for v in range(len(cell.ops))]
        self.projections = nn.ModuleDict()
        self.operations = nn.ModuleDict()
        for vertex, width in enumerate(self.channels):
            if vertex and cell.matrix[0][vertex]:
                self.projections[str(vertex)] = _conv_bn_relu(c_in, width, 1)
            if 0 < vertex < self._output:
                kernel = _KERNELS.get(cell.ops[vertex])
                self.operations[str(vertex)] = (
                    nn.MaxPool2d(3, stride=1, padding=1)
                    if kernel is None
                    else _conv_bn_relu(width, width, kernel)
                )

    def forward(self, x: Tensor) -> Tensor:
        values: dict[int, Tensor] = {}
        for vertex in range(1, self._output):
            width = self.channels[vertex]
            # An interior predecessor is at least as wide: what is over is cut off.
            terms = [values[i][:, :width] for i in self._sources[vertex]]
            if str(vertex) in self.projections:
                terms.append(self.projections[str(vertex)](x))
            values[vertex] = self.operations[str(vertex)](sum(terms[1:], terms[0]))
        parts = [values[i] for i in self._sources[self._output]]
        joined = [torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]] if parts else []
        if str(self._output) in self.projections:
            joined.append(self.projections[str(self._output)](x))
        return sum(joined[1:], joined[0])


class Network(nn.Module):
    """The full network of a cell: stem, three stacks of three cells, classifier.

    Args:
        cell: The cell that all nine cell blocks repeat.
        classes: Number of logits.
        width: Channels of the stem and the first stack; the later ones have 2 and 4 times as many.
    """

    def __init__(self, cell: Cell, classes: int, width: int = STEM_CHANNELS) -> None:
        super().__init__()
        self.stem = _conv_bn_relu(3, width, 3)
        self.cells = nn.ModuleList()
        c_in = c_out = width
        for stack in range(STACKS):
            c_out = width << stack
            for _ in range(CELLS_PER_STACK):
                self.cells.append(CellBlock(cell, c_in, c_out))
                c_in = c_out
        self.downsample = nn.MaxPool2d(2, stride=2)
        self.classifier = nn.Linear(c_out, classes)

    def features(self, x: Tensor) -> list[Tensor]:
        """Outputs of the stem and of every cell, in order (10 maps, each (B, C, H, W))."""
        maps = [self.stem(x)]
        for place, cell in enumerate(self.cells):
            first_of_later_stack = place and place % CELLS_PER_STACK == 0
            maps.append(cell(self.downsample(maps[-1]) if first_of_later_stack else maps[-1]))
        return maps

    def pre_gap(self, x: Tensor) -> Tensor:
        """The last map before pooling: (B, 512, H/4, W/4)."""
        return self.features(x)[-1]

    def head(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of the last of the `features`."""
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        return self.head(self.pre_gap(x))
