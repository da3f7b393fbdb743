"""What nodes are built of: sequences as modules, and the layers that torch does not have.

Parameters that no gradient can reach (those before a `Zero`) are frozen as they are built, which
the model's structure decides, so that a changed model has it right at once.
"""

from __future__ import annotations

import functools
import math
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from benchmarks.uninas.nodes import algebra as n

_EPS = 1e-6


def sequence(nodes: n.Sequence, shape: n.Shape, live: bool = True) -> nn.Sequential:
    """A sequence of nodes as modules, (B, C, H, W) to the same shape.

    Args:
        nodes: The sequence.
        shape: (C, H, W) that it takes.
        live: Whether a gradient reaches its output; without, all parameters are frozen.
    """
    made = []
    for node, reached in zip(nodes, n.liveness(nodes, live), strict=True):
        made.append(node.module(shape, reached))
        shape = node.output(shape)
    return nn.Sequential(*made)


def sequences(node: n.Node, shape: n.Shape, live: bool) -> list[nn.Sequential]:
    """The sequences that a node holds, as modules. Arguments as of `Node.module`."""
    return [
        sequence(inside, inner, live and reached)
        for inside, inner, reached in zip(
            node.sequences, node.inner(shape), node.reached(), strict=True
        )
    ]


class NodeModule(nn.Module):
    """A node that torch has no module for: its parts, and the node's own way through them.

    Args:
        node: Its `compute` is what the module computes.
        parts: Modules, and tensors that are no parameters, as attributes.
    """

    def __init__(self, node: n.Node, **parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.node = node
        for name, part in parts.items():
            if isinstance(part, Tensor):
                self.register_buffer(name, part, persistent=False)
            else:
                self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        return self.node.compute(self, x)

    def _get_name(self) -> str:
        return self.node.name


def convolution(
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


#: (H, W) of the image between whose pixels the map of the innermost attention stands. A sequence
#: on the map sees (B, C, HW, HW) alone, and nodes that hold sequences need not pass it on.
_GRID: ContextVar[tuple[int, int]] = ContextVar("grid", default=(0, 0))


class RelativePositionBias(nn.Module):
    """Adds table[(a - c + s - 1) (2 s - 1) + (b - d + s - 1)] to the map between pixels.

    Row (a, b) and column (c, d) are pixels of an image of side s; the map is (B, C, s^2, s^2).
    Between the pixels of an image (H, W) of another size stands the table of its (2 H - 1)
    (2 W - 1) relative positions, interpolated from that of side s by cubic splines, as those of
    Swin Transformers are (arXiv:2103.14030). So are weights of another side when they are loaded.
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
        h, w = _grid(x)
        table = self.table.view(2 * self.side - 1, -1)
        if (h, w) != (self.side, self.side):
            table = _interpolated(table, h, w)
        # windows[a, b, i, j] = table[a + i, b + j], wanted at i = h - 1 - c: no index of (h w)^2.
        windows = table.unfold(0, h, 1).unfold(1, w, 1)
        return x + windows.flip(2, 3).reshape(h * w, h * w)

    def resized(self, held: Tensor) -> Tensor:
        """The table of another side, at this one's.

        Raises:
            InputError: It is of no side.
        """
        length = math.isqrt(held.numel())
        if held.ndim != 1 or length**2 != held.numel() or length % 2 == 0:
            raise InputError(
                f"a table of relative positions has (2 side - 1)^2 entries, not {held.numel()}; "
                "use weights of the same architecture"
            )
        table = held.view(length, length)
        return _interpolated(table, self.side, self.side).flatten()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *more: Any, **options: Any
    ) -> None:
        held = state_dict.get(f"{prefix}table")
        if isinstance(held, Tensor) and held.shape != self.table.shape:
            state_dict[f"{prefix}table"] = self.resized(held)
        super()._load_from_state_dict(state_dict, prefix, *more, **options)


def _grid(x: Tensor) -> tuple[int, int]:
    """(H, W) of the image whose pixels are the rows of a map, and its columns."""
    pixels, columns = x.shape[2:]
    h, w = _GRID.get()
    if h * w != pixels:  # not on the map of an attention, or behind a global average there
        h = w = math.isqrt(pixels)
    if pixels != columns or h * w != pixels:
        raise InputError(
            f"RelPosBias stands on a map of {pixels} x {columns}, which are not the pixels of one "
            "image; this architecture works only at resolutions where they are"
        )
    return h, w


def _interpolated(table: Tensor, h: int, w: int) -> Tensor:
    """A table of relative positions at those of an image (h, w)."""
    rows, columns = (
        _spline(length, 2 * side - 1, table.dtype, table.device)
        for length, side in zip(table.shape, (h, w), strict=True)
    )
    # As sums of products, exact in mixed precision, and the same gradients on every run.
    along = (rows[:, :, None] * table).sum(1)
    return (along[:, None, :] * columns).sum(2)


@functools.lru_cache(maxsize=256)
def _spline(length: int, size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(size, length): what each of `length` values weighs when they are resized to `size`."""
    with torch.inference_mode(False), torch.no_grad():
        single = torch.eye(length, dtype=dtype, device="cpu")[None, None]
        weights = functional.interpolate(single, (size, length), mode="bicubic")
        return weights[0, 0].to(device)


def attend(q: Tensor, k: Tensor, v: Tensor, over: nn.Module) -> Tensor:
    """q, k, v (B, D, H, W) -> (B, D, H, W): over(q^T k / sqrt(D)) v."""
    grid = _GRID.set((v.shape[2], v.shape[3]))
    q, k, values = q.flatten(2), k.flatten(2), v.flatten(2)
    products = (q.transpose(1, 2) @ k)[:, None] / math.sqrt(q.shape[1])
    try:
        between: Tensor = over(products)
    finally:
        _GRID.reset(grid)
    attended = values @ between[:, 0].transpose(1, 2)
    return attended.reshape(v.shape)
