"""UniNAS models as PyTorch networks: blocks of nodes, stem and head.

Modules are registered in the order of the public code's networks, because some proxies read
parameters in that order.
"""

from __future__ import annotations

from torch import Tensor, nn

from benchmarks.stochastic_depth import kept, rates
from benchmarks.uninas import modules
from benchmarks.uninas.architecture import Block, Model, Place
from benchmarks.uninas.nodes.algebra import transmits


class _Halved(nn.Sequential):
    """Average over 2x2 pixels, then a 1x1 convolution if the channels change."""

    def __init__(self, c_in: int, c_out: int, live: bool) -> None:
        layers: list[nn.Module] = [nn.AvgPool2d(2)]
        if c_in != c_out:
            layers.append(modules.convolution(c_in, c_out, live=live))
        super().__init__(*layers)


class BlockModule(nn.Module):
    """One block, (B, C_in, H, W) -> (B, C, H, W), or half the resolution if first of a stage.

    Args:
        block: Its subblocks.
        place: Where it stands.
        drop_path: Probability of leaving out a subblock, for each image in train mode; what
            stays is scaled up.
    """

    def __init__(self, block: Block, place: Place, drop_path: float = 0.0) -> None:
        super().__init__()
        live1, live2 = transmits(block.sub1), transmits(block.sub2)
        c_in, c = place.c_in, place.shape[0]
        self.drop_path = drop_path
        self.first = place.first
        self.sub1 = modules.sequence(block.sub1, place.shape)
        self.sub2 = modules.sequence(block.sub2, place.shape)
        self.shortcut = _Halved(c_in, c, True) if place.first else nn.Identity()
        norm = modules.ChannelNorm(c_in).requires_grad_(live1)
        self.norm1 = nn.Sequential(norm, _Halved(c_in, c, live1)) if place.first else norm
        self.norm2 = modules.ChannelNorm(c).requires_grad_(live2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shortcut(x) + self._kept(self.sub1(self.norm1(x)))
        return x + self._kept(self.sub2(self.norm2(x)))

    def _kept(self, x: Tensor) -> Tensor:
        return kept(x, self.drop_path, self.training)


class Network(nn.Module):
    """A whole model; weights drawn by the global generator, as the public code draws them.

    Args:
        model: The architecture, with its resolution and classes.
        drop_path: Probability of leaving out a subblock of the last block; that of the others
            grows linearly from 0.

    Attributes:
        stage_channels: Channels of the maps that `stages` gives.
    """

    #: Submodules that `stages` does without.
    beyond_stages = ("norm", "dropout", "classifier")

    def __init__(self, model: Model, drop_path: float = 0.0) -> None:
        super().__init__()
        self.stage_channels = model.widths
        first, second = model.stem
        self.stem = nn.Sequential(
            modules.convolution(3, first, 3, stride=2, bias=False),
            nn.BatchNorm2d(first),
            nn.GELU(),
            modules.convolution(first, second, 3, bias=False),
        )
        self.blocks = nn.ModuleList(
            BlockModule(block, place, rate)
            for block, place, rate in zip(
                model.blocks(), model.places(), rates(drop_path, sum(model.depths)), strict=True
            )
        )
        self.norm = modules.ChannelNorm(model.widths[-1])
        self.dropout = nn.Dropout(model.drop_rate)
        self.classifier = nn.Linear(model.widths[-1], model.classes)

    def features(self, x: Tensor) -> list[Tensor]:
        """Outputs of the stem and of every block, in order, each (B, C, H, W)."""
        maps = [self.stem(x)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

    def stages(self, x: Tensor) -> list[Tensor]:
        """The last maps of the stages, at strides 4, 8, 16 and 32: each (B, C, H / stride, ...)."""
        x, before = self.stem(x), []
        for block in self.blocks:
            assert isinstance(block, BlockModule)
            if block.first:
                before.append(x)
            x = block(x)
        return [*before[1:], x]

    def after_stages(self, last: Tensor) -> Tensor:
        """Logits (B, classes) of the last map of `stages`."""
        return self.head(last)

    def pre_gap(self, x: Tensor) -> Tensor:
        """The last map before pooling, after the last norm: (B, C, H / 32, W / 32)."""
        out: Tensor = self.norm(self.features(x)[-1])
        return out

    def head(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of the last of the `features`."""
        logits: Tensor = self.classifier(self.dropout(self.norm(x).mean((2, 3))))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        for block in (self.stem, *self.blocks):
            x = block(x)
        return self.head(x)
