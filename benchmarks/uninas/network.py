"""UniNAS models as PyTorch networks.

Every kind of node has a function here that makes its module, registered by `@module`. Modules are
registered in the order of the public code's networks, because some proxies read parameters in
that order. Parameters that no gradient can reach (those before a `Zero`) are frozen as they are
built, which the model's structure decides, so that a changed model has it right at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.uninas import nodes as n
from benchmarks.uninas.architecture import Block, Model, Place

_EPS = 1e-6

#: (node, shape, whether a gradient reaches its output) -> its module.
Builder = Callable[[Any, n.Shape, bool], nn.Module]
_BUILDERS: dict[type[n.Node], Builder] = {}
B = TypeVar("B", bound=Callable[..., nn.Module])


def module(*kinds: type[n.Node]) -> Callable[[B], B]:
    """Register the function that makes modules of these kinds of nodes."""

    def register(builder: B) -> B:
        _BUILDERS.update(dict.fromkeys(kinds, builder))
        return builder

    return register


def sequence(nodes: n.Sequence, shape: n.Shape, live: bool = True) -> nn.Sequential:
    """A sequence of nodes as modules, (B, C, H, W) to the same shape.

    Args:
        nodes: The sequence.
        shape: (C, H, W) that it takes.
        live: Whether a gradient reaches its output; without, all parameters are frozen.
    """
    made = []
    for node, reached in zip(nodes, n.liveness(nodes, live), strict=True):
        made.append(_BUILDERS[type(node)](node, shape, reached))
        shape = node.output(shape)
    return nn.Sequential(*made)


def _sequences(node: n.Node, shape: n.Shape, live: bool) -> list[nn.Sequential]:
    """The sequences that a node holds."""
    return [
        sequence(inside, inner, live and reached)
        for inside, inner, reached in zip(
            node.sequences, node.inner(shape), node.reached(), strict=True
        )
    ]


# ------------------------------------------------------------------ layers


def _convolution(
    c_in: int,
    c_out: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    depthwise: bool = False,
    bias: bool = True,
    scheme: str = "kaiming_normal",
    live: bool = True,
) -> nn.Conv2d:
    """A convolution that keeps the resolution at stride 1.

    Weights are drawn once, by the scheme: normal with variance 2 / (c_out kernel^2), or Xavier
    uniform; biases are 0, of the transformer's MLP N(0, 1e-12).
    """
    layer: nn.Conv2d = nn.utils.skip_init(
        nn.Conv2d,
        c_in,
        c_out,
        kernel,
        stride,
        padding=kernel // 2,
        groups=c_in if depthwise else 1,
        bias=bias,
    )
    if scheme == "xavier_uniform":
        nn.init.xavier_uniform_(layer.weight)
    else:
        nn.init.normal_(layer.weight, 0, math.sqrt(2 / (c_out * kernel**2)))
    if layer.bias is not None:
        nn.init.normal_(layer.bias, 0, 1e-6 if scheme == "kaiming_normal_mlp" else 0.0)
    return layer.requires_grad_(live)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of every pixel of a map (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.norm(x.permute(0, 2, 3, 1))
        return normalised.permute(0, 3, 1, 2)


class PixelBatchNorm(nn.BatchNorm2d):
    """Batch norm at one pixel, behind a global average.

    A batch of one image has one value a channel then, of which there are no statistics: those
    that have been running serve instead, in train mode as in eval mode.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """As in `torch.nn.BatchNorm2d`."""
        if not self.training or input.numel() > input.shape[1]:
            return super().forward(input)
        mean, variance = self.running_mean, self.running_var
        return functional.batch_norm(
            input, mean, variance, self.weight, self.bias, False, 0.0, self.eps
        )


class Zero(nn.Module):
    """Zeros."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


class Mask(nn.Module):
    """Keeps the elements with |row - column| <= 5."""

    kept: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
        self.register_buffer("kept", ((rows - columns).abs() <= 5).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.kept


class RelativePositionBias(nn.Module):
    """Adds table[(a - c + s - 1) (2 s - 1) + (b - d + s - 1)] to the map between pixels.

    Row (a, b) and column (c, d) are pixels of an image of side s; the map is (B, C, s^2, s^2).
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.table = nn.Parameter(torch.empty((2 * side - 1) ** 2))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Truncated normal of deviation 0.02."""
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        s = self.side
        # windows[a, b, i, j] = table[a + i, b + j], wanted at i = s - 1 - c: no index of s^4.
        windows = self.table.view(2 * s - 1, 2 * s - 1).unfold(0, s, 1).unfold(1, s, 1)
        return x + windows.flip(2, 3).reshape(s * s, s * s)


@module(n.Conv1, n.Conv3)
def _plain(node: n.Node, shape: n.Shape, live: bool) -> nn.Module:
    return _convolution(shape[0], shape[0], 1 if isinstance(node, n.Conv1) else 3, live=live)


@module(n.ConvDepth3, n.ConvDepth5)
def _depthwise(node: n.Node, shape: n.Shape, live: bool) -> nn.Module:
    c, kernel = shape[0], 3 if isinstance(node, n.ConvDepth3) else 5
    return _convolution(c, c, kernel, depthwise=True, bias=False, live=live)


@module(n.BatchNorm)
def _batch_norm(node: n.Node, shape: n.Shape, live: bool) -> nn.Module:
    kind = PixelBatchNorm if shape[1:] == (1, 1) else nn.BatchNorm2d
    return kind(shape[0]).requires_grad_(live)


@module(n.LayerNorm)
def _layer_norm(node: n.Node, shape: n.Shape, live: bool) -> nn.Module:
    return ChannelNorm(shape[0]).requires_grad_(live)


@module(n.RelPosBias)
def _bias(node: n.Node, shape: n.Shape, live: bool) -> nn.Module:
    return RelativePositionBias(math.isqrt(shape[1])).requires_grad_(live)


@module(n.Mask)
def _mask(node: n.Node, shape: n.Shape, live: bool) -> nn.Module:
    return Mask(*shape[1:])


_WITHOUT_WEIGHTS: dict[type[n.Node], Callable[[], nn.Module]] = {
    n.GELU: nn.GELU,
    n.Sigmoid: nn.Sigmoid,
    n.Softmax: lambda: nn.Softmax(dim=-1),
    n.Dropout: lambda: nn.Dropout(0.5),
    n.MaxPool: lambda: nn.MaxPool2d(3, stride=1, padding=1),
    n.Identity: nn.Identity,
    n.Zero: Zero,
}


@module(*_WITHOUT_WEIGHTS)
def _without_weights(node: n.Node, shape: n.Shape, live: bool) -> nn.Module:
    return _WITHOUT_WEIGHTS[type(node)]()


# ------------------------------------------------------------------ nodes that hold sequences


@module(n.ExpandAndReduce, n.ReduceAndExpand)
def _resizing(node: n.ExpandAndReduce | n.ReduceAndExpand, shape: n.Shape, live: bool) -> nn.Module:
    c, ((inside, *_),) = shape[0], node.inner(shape)
    first = n.first_live(node, live)
    return nn.Sequential(
        _convolution(c, inside, scheme=node.scheme, live=first),
        *_sequences(node, shape, live)[0],
        _convolution(inside, c, scheme=node.scheme, live=live),
    )


@module(n.AvgAndUpsample)
class AvgAndUpsample(nn.Module):
    """Global average, a sequence at one pixel, and the result at every pixel."""

    def __init__(self, node: n.AvgAndUpsample, shape: n.Shape, live: bool) -> None:
        super().__init__()
        (self.body,) = _sequences(node, shape, live)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x.mean((2, 3), keepdim=True))
        return out.expand(-1, -1, *x.shape[2:])


def _attend(q: Tensor, k: Tensor, v: Tensor, over: nn.Module) -> Tensor:
    """q, k, v (B, D, H, W) -> (B, D, H, W): over(q^T k / sqrt(D)) v."""
    q, k, values = q.flatten(2), k.flatten(2), v.flatten(2)
    products = (q.transpose(1, 2) @ k)[:, None] / math.sqrt(q.shape[1])
    between: Tensor = over(products)
    attended = values @ between[:, 0].transpose(1, 2)
    return attended.reshape(v.shape)


@module(n.ForkMerge)
class ForkMerge(nn.Module):
    """Branches side by side, as in `nodes.ForkMerge`."""

    def __init__(self, node: n.ForkMerge, shape: n.Shape, live: bool) -> None:
        super().__init__()
        self.merge = node.merge
        self.pieces = 3 if node.fork == "convexp3" else node.chunks
        if node.fork == "convexp3":
            c, first = shape[0], n.first_live(node, live)
            self.expand = _convolution(c, 3 * c, scheme="xavier_uniform", live=first)
        self.branches = nn.ModuleList(_sequences(node, shape, live))

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "expand"):
            x = self.expand(x)
        given = x.chunk(self.pieces, 1) if self.pieces > 1 else (x,) * len(self.branches)
        # Of chunk/matmul the last branch stands on the map, and has no piece.
        made: list[Tensor] = [
            branch(piece) for branch, piece in zip(self.branches, given, strict=False)
        ]
        match self.merge:
            case "add":
                return sum(made[1:], start=made[0])
            case "multiply":
                return made[0] * made[1].sigmoid()
            case "matmul":
                return _attend(made[0], made[1], made[2], self.branches[3])
        return torch.cat(made, 1) if len(made) > 1 else made[0]


@module(n.ForkMergeAttention)
class ForkMergeAttention(nn.Module):
    """Self-attention, as in `nodes.ForkMergeAttention`."""

    def __init__(self, node: n.ForkMergeAttention, shape: n.Shape, live: bool) -> None:
        super().__init__()
        c, first = shape[0], n.first_live(node, live)
        self.qkv = _convolution(c, 3 * c, scheme="xavier_uniform", live=first)
        made = _sequences(node, shape, live)
        h = node.heads
        self.branches = nn.ModuleList(made[: 3 * h])
        self.connections = nn.ModuleList(made[3 * h : 4 * h])
        self.post_branches = nn.ModuleList(made[4 * h :])

    def forward(self, x: Tensor) -> Tensor:
        pieces = self.qkv(x).chunk(len(self.branches), 1)
        made = [branch(piece) for branch, piece in zip(self.branches, pieces, strict=True)]
        heads = [
            post(_attend(made[3 * i], made[3 * i + 1], made[3 * i + 2], over))
            for i, (over, post) in enumerate(zip(self.connections, self.post_branches, strict=True))
        ]
        return torch.cat(heads, 1)


# ------------------------------------------------------------------ blocks and the network


class _Halved(nn.Sequential):
    """Average over 2x2 pixels, then a 1x1 convolution if the channels change."""

    def __init__(self, c_in: int, c_out: int, live: bool) -> None:
        layers: list[nn.Module] = [nn.AvgPool2d(2)]
        if c_in != c_out:
            layers.append(_convolution(c_in, c_out, live=live))
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
        live1, live2 = n.transmits(block.sub1), n.transmits(block.sub2)
        c_in, c = place.c_in, place.shape[0]
        self.drop_path = drop_path
        self.sub1 = sequence(block.sub1, place.shape)
        self.sub2 = sequence(block.sub2, place.shape)
        self.shortcut = _Halved(c_in, c, True) if place.first else nn.Identity()
        norm = ChannelNorm(c_in).requires_grad_(live1)
        self.norm1 = nn.Sequential(norm, _Halved(c_in, c, live1)) if place.first else norm
        self.norm2 = ChannelNorm(c).requires_grad_(live2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shortcut(x) + self._kept(self.sub1(self.norm1(x)))
        return x + self._kept(self.sub2(self.norm2(x)))

    def _kept(self, x: Tensor) -> Tensor:
        if not self.training or not self.drop_path:
            return x
        keep = 1 - self.drop_path
        return x * x.new_empty(len(x), 1, 1, 1).bernoulli_(keep).div_(keep)


class Network(nn.Module):
    """A whole model; weights drawn by the global generator, as the public code draws them.

    Args:
        model: The architecture, with its resolution and classes.
        drop_path: Probability of leaving out a subblock of the last block; that of the others
            grows linearly from 0.
    """

    def __init__(self, model: Model, drop_path: float = 0.0) -> None:
        super().__init__()
        first, second = model.stem
        self.stem = nn.Sequential(
            _convolution(3, first, 3, stride=2, bias=False),
            nn.BatchNorm2d(first),
            nn.GELU(),
            _convolution(first, second, 3, bias=False),
        )
        rates = torch.linspace(0, drop_path, sum(model.depths)).tolist()
        self.blocks = nn.ModuleList(
            BlockModule(block, place, rate)
            for block, place, rate in zip(model.blocks(), model.places(), rates, strict=True)
        )
        self.norm = ChannelNorm(model.widths[-1])
        self.dropout = nn.Dropout(model.drop_rate)
        self.classifier = nn.Linear(model.widths[-1], model.classes)

    def features(self, x: Tensor) -> list[Tensor]:
        """Outputs of the stem and of every block, in order, each (B, C, H, W)."""
        maps = [self.stem(x)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

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
