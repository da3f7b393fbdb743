"""Nodes that are one layer or operation."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import drawing
from benchmarks.uninas.nodes.algebra import Node, Part, Shape, convolution, node, volume

if TYPE_CHECKING:
    from torch import Tensor, nn


@node("Conv1", "conv1")
@dataclass(frozen=True, slots=True)
class Conv1(Node):
    """1x1 convolution with bias."""

    label = "1×1"
    colour = drawing.CONVOLUTION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """2 C S FLOPs, C (C + 1) parameters."""
        c, h, w = shape
        yield convolution(c, c, h * w)

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from benchmarks.uninas import modules

        return modules.convolution(shape[0], shape[0], live=live)


@node("Conv3", "conv3")
@dataclass(frozen=True, slots=True)
class Conv3(Node):
    """3x3 convolution with bias, padding 1."""

    label = "3×3"
    colour = drawing.CONVOLUTION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """18 C S FLOPs, C (9 C + 1) parameters."""
        c, h, w = shape
        yield convolution(c, c, h * w, taps=9)

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from benchmarks.uninas import modules

        return modules.convolution(shape[0], shape[0], 3, live=live)


@node("ConvDepth3", "dw3")
@dataclass(frozen=True, slots=True)
class ConvDepth3(Node):
    """Depthwise 3x3 convolution, padding 1."""

    label = "depth 3×3"
    colour = drawing.CONVOLUTION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """18 S FLOPs, 9 C parameters."""
        c, h, w = shape
        yield convolution(1, c, h * w, taps=9, bias=False)

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from benchmarks.uninas import modules

        return modules.convolution(shape[0], shape[0], 3, depthwise=True, bias=False, live=live)


@node("ConvDepth5", "dw5")
@dataclass(frozen=True, slots=True)
class ConvDepth5(Node):
    """Depthwise 5x5 convolution, padding 2."""

    label = "depth 5×5"
    colour = drawing.CONVOLUTION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """50 S FLOPs, 25 C parameters."""
        c, h, w = shape
        yield convolution(1, c, h * w, taps=25, bias=False)

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from benchmarks.uninas import modules

        return modules.convolution(shape[0], shape[0], 5, depthwise=True, bias=False, live=live)


class _Norm(Node, ABC):
    __slots__ = ()
    colour = drawing.NORM

    def parts(self, shape: Shape) -> Iterator[Part]:
        """2 S FLOPs, 2 C parameters: scale and shift."""
        yield Part(2 * shape[0], 2, 2 * volume(shape))


@node("BatchNorm", "bn")
@dataclass(frozen=True, slots=True)
class BatchNorm(_Norm):
    """Batch norm of every channel."""

    label = "BN"

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        from benchmarks.uninas import modules

        kind = modules.PixelBatchNorm if shape[1:] == (1, 1) else nn.BatchNorm2d
        return kind(shape[0]).requires_grad_(live)


@node("LayerNorm", "ln")
@dataclass(frozen=True, slots=True)
class LayerNorm(_Norm):
    """Layer norm over the channels of every pixel, eps 1e-6."""

    label = "LN"

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from benchmarks.uninas import modules

        return modules.ChannelNorm(shape[0]).requires_grad_(live)


@node("GELU", "gelu")
@dataclass(frozen=True, slots=True)
class GELU(Node):
    """x Phi(x)."""

    colour = drawing.ACTIVATION
    declares_outside = True

    def parts(self, shape: Shape) -> Iterator[Part]:
        """3 S FLOPs."""
        yield Part(flops=3 * volume(shape))

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        return nn.GELU()


@node("Sigmoid", "sigmoid")
@dataclass(frozen=True, slots=True)
class Sigmoid(Node):
    """1 / (1 + exp(-x))."""

    label = "sigmoid"
    colour = drawing.ACTIVATION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """3 S FLOPs."""
        yield Part(flops=3 * volume(shape))

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        return nn.Sigmoid()


@node("Softmax", "softmax")
@dataclass(frozen=True, slots=True)
class Softmax(Node):
    """Softmax over the last dimension, W."""

    label = "softmax"
    colour = drawing.ACTIVATION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """C H (3 W - 1) FLOPs."""
        c, h, w = shape
        yield Part(flops=c * h * (3 * w - 1))

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        return nn.Softmax(dim=-1)


@node("Dropout", "dropout")
@dataclass(frozen=True, slots=True)
class Dropout(Node):
    """Dropout of elements, p = 0.5."""

    label = "dropout"

    def parts(self, shape: Shape) -> Iterator[Part]:
        """S FLOPs."""
        yield Part(flops=volume(shape))

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        return nn.Dropout(0.5)


@node("MaxPool", "maxpool")
@dataclass(frozen=True, slots=True)
class MaxPool(Node):
    """3x3 max-pooling, stride 1, padding 1."""

    label = "max 3×3"

    def parts(self, shape: Shape) -> Iterator[Part]:
        """9 S FLOPs."""
        yield Part(flops=9 * volume(shape))

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        return nn.MaxPool2d(3, stride=1, padding=1)


@node("Mask", "mask")
@dataclass(frozen=True, slots=True)
class Mask(Node):
    """Keeps the elements with |row - column| <= 5; the others become zero."""

    label = "band"
    colour = drawing.POSITION

    def parts(self, shape: Shape) -> Iterator[Part]:
        """S FLOPs."""
        yield Part(flops=volume(shape))

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        import torch

        from benchmarks.uninas import modules

        rows, columns = torch.arange(shape[1])[:, None], torch.arange(shape[2])[None, :]
        return modules.NodeModule(self, kept=((rows - columns).abs() <= 5).float())

    def compute(self, parts: Any, x: Tensor) -> Tensor:
        """x where the mask is 1, else 0; at another size than the declared one too."""
        kept: Tensor = parts.kept
        return x * kept if x.shape[2:] == kept.shape else x.triu(-5).tril(5)


@node("RelPosBias", "relpos")
@dataclass(frozen=True, slots=True)
class RelPosBias(Node):
    """Adds to a map between pixels a bias that depends on their relative position.

    The map's rows are the pixels of a square image of side sqrt(H), its columns those of one of
    side sqrt(W); one bias for each relative position, shared by the channels.
    """

    label = "rel. bias"
    colour = drawing.POSITION

    def refusal(self, shape: Shape) -> str | None:
        """H and W must be perfect squares, and equal: pixels are compared with one another."""
        _, h, w = shape
        if h != w or math.isqrt(h) ** 2 != h:
            return "H and W must be the same perfect square"
        return None

    def parts(self, shape: Shape) -> Iterator[Part]:
        """H W FLOPs, (2 sqrt(H) - 1) (2 sqrt(W) - 1) parameters."""
        _, h, w = shape
        yield Part((2 * math.isqrt(h) - 1) * (2 * math.isqrt(w) - 1), 1, h * w)

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from benchmarks.uninas import modules

        return modules.RelativePositionBias(math.isqrt(shape[1])).requires_grad_(live)


@node("Identity", "identity", proposed=False)
@dataclass(frozen=True, slots=True)
class Identity(Node):
    """x."""

    label = "identity"

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from torch import nn

        return nn.Identity()


@node("Zero", "zero", proposed=False)
@dataclass(frozen=True, slots=True)
class Zero(Node):
    """Zeros; no gradient passes."""

    label = "zero"
    colour = drawing.NOTHING

    @property
    def transmits(self) -> bool:
        """Never."""
        return False

    def module(self, shape: Shape, live: bool) -> nn.Module:
        """As in `Node`."""
        from benchmarks.uninas import modules

        return modules.NodeModule(self)

    def compute(self, parts: Any, x: Tensor) -> Tensor:
        """0."""
        import torch

        return torch.zeros_like(x)
