"""MobileNetV2 structures as PyTorch networks, as ZenNAS and its successors build them.

Batch norms have eps 1e-3. Modules are registered in the published order (superblocks in order, in
a unit its main path before its shortcut), because some proxies read parameters in that order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.mobilenetv2.architecture import Block, Convolution, Structure, Unit
from benchmarks.stochastic_depth import kept, rates

_EPS = 1e-3


def _conv_bn(
    c_in: int, c_out: int, kernel: int, stride: int = 1, *, groups: int = 1, bias: bool = False
) -> list[nn.Module]:
    """Convolution and batch norm; (B, c_in, H, W) -> (B, c_out, ceil(H / stride), ...)."""
    return [
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=bias),
        nn.BatchNorm2d(c_out, eps=_EPS),
    ]


class SqueezeExcitation(nn.Module):
    """Scales channels by a function of their means: (B, C, H, W) -> (B, C, H, W).

    Batch norms follow its two convolutions; in train mode a batch must have several images.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            *_conv_bn(channels, squeezed, 1),
            nn.ReLU(),
            *_conv_bn(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.scale(x)
        return out


class InvertedResidual(nn.Module):
    """One unit: (B, c_in, H, W) -> (B, c_out, ceil(H / stride), ceil(W / stride)).

    1x1, depthwise k x k and 1x1 convolutions with batch norms, ReLU behind the first two, then
    squeeze-and-excitation where there is one; the shortcut is added, then a ReLU.

    Attributes:
        drop_path: Probability of leaving out the convolutions, for each image in train mode.
    """

    drop_path = 0.0

    def __init__(self, unit: Unit, *, se: bool) -> None:
        super().__init__()
        hidden = unit.hidden
        self.body = nn.Sequential(
            *_conv_bn(unit.c_in, hidden, 1),
            nn.ReLU(),
            *_conv_bn(hidden, hidden, unit.kernel, unit.stride, groups=hidden),
            nn.ReLU(),
            *([SqueezeExcitation(hidden, unit.squeezed)] if se else []),
            *_conv_bn(hidden, unit.c_out, 1),
        )
        self.shortcut: nn.Module = (
            nn.Sequential(*_conv_bn(unit.c_in, unit.c_out, 1, unit.stride, bias=True))
            if unit.projects
            else nn.Identity()
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(
            kept(self.body(x), self.drop_path, self.training) + self.shortcut(x)
        )
        return out


class SuperBlock(nn.Sequential):
    """One superblock; its children are convolutions with batch norm and ReLU, or units."""

    def __init__(self, block: Block, *, se: bool) -> None:
        if isinstance(block, Convolution):
            c_in, stride = block.c_in, block.stride
            layers: list[nn.Module] = []
            for _ in range(block.sublayers):
                conv = _conv_bn(c_in, block.c_out, block.kernel, stride)
                layers.append(nn.Sequential(*conv, nn.ReLU()))
                c_in, stride = block.c_out, 1
            super().__init__(*layers)
        else:
            super().__init__(*(InvertedResidual(unit, se=se) for unit in block.units()))
        self.kind = block.type

    def _get_name(self) -> str:
        return self.kind


class Network(nn.Module):
    """The full network of a structure: superblocks, global pooling, classifier.

    Args:
        structure: The structure.
        classes: Number of logits.
        se: Squeeze-and-excitation in every unit, as in the papers' final training.
        drop_path: Probability of leaving out the convolutions of the last unit; that of the
            others grows linearly from 0.

    Attributes:
        stage_channels: Channels of the maps that `stages` gives.
        beyond_stages: Submodules that `stages` does without.
    """

    def __init__(
        self, structure: Structure, classes: int, *, se: bool = False, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SuperBlock(block, se=se) for block in structure.blocks)
        units = [unit for unit in self.blocks.modules() if isinstance(unit, InvertedResidual)]
        for unit, rate in zip(units, rates(drop_path, len(units)), strict=True):
            unit.drop_path = rate
        self._ends = structure.stage_ends()
        self.stage_channels = tuple(structure.blocks[end].c_out for end in self._ends)
        last = self._ends[-1] if self._ends else -1
        unused = (f"blocks.{i}" for i in range(last + 1, len(structure.blocks)))
        self.beyond_stages = (*unused, "pool", "classifier")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(structure.blocks[-1].c_out, classes)

    def features(self, x: Tensor) -> list[Tensor]:
        """Outputs of every convolution and unit, in order, each (B, C, H, W) and behind a ReLU.

        The maps that AZ-NAS reads: 10 for the initial structure, two a sublayer of inverted
        residuals and one a convolution.
        """
        maps: list[Tensor] = []
        for block in self.blocks:
            assert isinstance(block, SuperBlock)
            for layer in block:
                x = layer(x)
                maps.append(x)
        return maps

    def stages(self, x: Tensor) -> list[Tensor]:
        """The last maps at strides 4, 8, 16 and 32, as far as the structure has them, without the
        1x1 convolution before the classifier: each (B, C, H / stride, W / stride)."""
        maps: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            if len(maps) == len(self._ends):
                break
            x = block(x)
            if number in self._ends:
                maps.append(x)
        return maps

    def after_stages(self, last: Tensor) -> Tensor:
        """Logits (B, classes) of the last map of `stages`."""
        for block in self.blocks[self._ends[-1] + 1 :]:
            last = block(last)
        return self.head(last)

    def last_norms(self) -> list[nn.BatchNorm2d]:
        """The batch norm that ends the convolutions of every unit, in order."""
        units = (unit for unit in self.blocks.modules() if isinstance(unit, InvertedResidual))
        norms = [unit.body[-1] for unit in units]
        return [norm for norm in norms if isinstance(norm, nn.BatchNorm2d)]

    def pre_gap(self, x: Tensor) -> Tensor:
        """The last map before pooling, after batch norm and ReLU: (B, C, ceil(H / 32), ...)."""
        for block in self.blocks:
            x = block(x)
        return x

    def head(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of the last of the `features`."""
        logits: Tensor = self.classifier(torch.flatten(self.pool(x), 1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        return self.head(self.pre_gap(x))
