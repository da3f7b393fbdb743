"""Small networks for tests of the trainer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Stages(nn.Module):
    """A convolutional network with four stages of two layers each."""

    def __init__(self, channels: Sequence[int] = (16, 32, 48, 64)) -> None:
        super().__init__()
        self.stage_channels: Sequence[int] = tuple(channels)
        self.stem = _layer(3, channels[0], 2)
        before = (channels[0], *channels[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(_layer(i, o, 2), _layer(o, o, 1))
            for i, o in zip(before, channels, strict=True)
        )

    def stages(self, x: Tensor) -> list[Tensor]:
        """Maps at strides 4, 8, 16, 32 of images (B, 3, H, W)."""
        x = self.stem(x)
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps


def _layer(before: int, after: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())
