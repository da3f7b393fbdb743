"""NAS-Bench-201 cells as PyTorch networks (arXiv:2001.00326, section 2 and its code).

Modules are registered in the order of the official networks (stem, blocks with edges in
string order, last activation, classifier), because some proxies read parameters in that order.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.nasbench201.architecture import CELLS_PER_STAGE, EDGES, STAGE_CHANNELS, Cell


def _relu_conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
    )


def _operation(name: str, channels: int) -> nn.Module | None:
    """The module of one edge; `none` has no module, its edge adds nothing."""
    match name:
        case "none":
            return None
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return _relu_conv_bn(channels, channels, 1)
        case "nor_conv_3x3":
            return _relu_conv_bn(channels, channels, 3)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    raise ValueError(name)


class CellBlock(nn.Module):
    """One cell at a fixed width: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, cell: Cell, channels: int) -> None:
        super().__init__()
        modules = (
            (edge, _operation(op, channels)) for edge, op in zip(EDGES, cell.ops, strict=True)
        )
        self._edges = [edge for edge, op in zip(EDGES, cell.ops, strict=True) if op != "none"]
        self.edges = nn.ModuleList(module for _, module in modules if module is not None)

    def forward(self, x: Tensor) -> Tensor:
        nodes: list[Tensor | None] = [x, None, None, None]
        for (source, target), module in zip(self._edges, self.edges, strict=True):
            value = nodes[source]
            # A node that nothing feeds is zero, as the benchmark's `none` (x * 0) makes it.
            term = module(torch.zeros_like(x) if value is None else value)
            known = nodes[target]
            nodes[target] = term if known is None else known + term
        output = nodes[3]
        return torch.zeros_like(x) if output is None else output


class ReductionBlock(nn.Module):
    """Residual block that halves the resolution: (B, C, H, W) -> (B, 2C, H/2, W/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_a = _relu_conv_bn(c_in, c_out, 3, stride=2)
        self.conv_b = _relu_conv_bn(c_out, c_out, 3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2), nn.Conv2d(c_in, c_out, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.conv_b(self.conv_a(x))
        return out


class Network(nn.Module):
    """The full network of a cell: stem, 5 + 1 + 5 + 1 + 5 blocks, classifier.

    Args:
        cell: The cell that all fifteen cell blocks repeat.
        classes: Number of logits.
    """

    def __init__(self, cell: Cell, classes: int) -> None:
        super().__init__()
        width = STAGE_CHANNELS[0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        blocks: list[nn.Module] = [CellBlock(cell, width) for _ in range(CELLS_PER_STAGE)]
        for c_in, c_out in pairwise(STAGE_CHANNELS):
            blocks.append(ReductionBlock(c_in, c_out))
            blocks.extend(CellBlock(cell, c_out) for _ in range(CELLS_PER_STAGE))
        self.blocks = nn.ModuleList(blocks)
        self.last_activation = nn.Sequential(nn.BatchNorm2d(STAGE_CHANNELS[-1]), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(STAGE_CHANNELS[-1], classes)

    def features(self, x: Tensor) -> list[Tensor]:
        """Outputs of the stem and of every block, in order (18 maps, each (B, C, H, W))."""
        maps = [self.stem(x)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

    def pre_gap(self, x: Tensor) -> Tensor:
        """The last map before pooling, after batch norm and ReLU: (B, 64, H/4, W/4)."""
        out: Tensor = self.last_activation(self.features(x)[-1])
        return out

    def head(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of the last of the `features`."""
        logits: Tensor = self.classifier(self.pool(self.last_activation(x)).flatten(1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        for block in (self.stem, *self.blocks):
            x = block(x)
        return self.head(x)
