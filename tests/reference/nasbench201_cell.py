"""Blocks of NAS-Bench-201 networks written out in NumPy, float64 and slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Convolution:
    """Parameters of a convolution and its batch norm."""

    weight: Array
    scale: Array
    shift: Array


def _shifted(x: Array, down: int, right: int) -> Array:
    """The map moved by at most one pixel, zeros from outside."""
    height, width = x.shape[2:]
    padded: Array = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return padded[:, :, 1 + down : 1 + down + height, 1 + right : 1 + right + width]


_NEIGHBOURHOOD = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]


def _convolution(x: Array, weight: Array) -> Array:
    kernel = weight.shape[2]
    shifts = _NEIGHBOURHOOD if kernel == 3 else [(0, 0)]
    terms = [
        np.einsum(
            "oc,bchw->bohw",
            weight[:, :, kernel // 2 + down, kernel // 2 + right],
            _shifted(x, down, right),
        )
        for down, right in shifts
    ]
    return np.asarray(sum(terms))


def _relu_conv_bn(x: Array, p: Convolution, stride: int = 1) -> Array:
    out = _convolution(np.maximum(x, 0), p.weight)[:, :, ::stride, ::stride]
    mean = out.mean(axis=(0, 2, 3), keepdims=True)
    variance = ((out - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)
    normalised = (out - mean) / np.sqrt(variance + 1e-5)
    return np.asarray(p.scale[:, None, None] * normalised + p.shift[:, None, None])


def _avg_pool(x: Array) -> Array:
    total = sum(_shifted(x, down, right) for down, right in _NEIGHBOURHOOD)
    count = sum(_shifted(np.ones_like(x), down, right) for down, right in _NEIGHBOURHOOD)
    return np.asarray(total / count)


def _operation(name: str, x: Array, p: Convolution | None) -> Array:
    if name == "none":
        return x * 0
    if name == "skip_connect":
        return x
    if name == "avg_pool_3x3":
        return _avg_pool(x)
    assert p is not None
    return _relu_conv_bn(x, p)


def cell_forward(ops: Sequence[str], x: Array, parameters: Sequence[Convolution | None]) -> Array:
    """Output of the cell, batch norms with the statistics of the batch.

    Args:
        ops: The six operations in the order of the architecture string.
        x: Input, (B, C, H, W).
        parameters: Of each edge; None where it has none.
    """
    edge = [
        lambda value, name=name, p=p: _operation(name, value, p)
        for name, p in zip(ops, parameters, strict=True)
    ]
    node0 = x
    node1 = edge[0](node0)
    node2 = edge[1](node0) + edge[2](node1)
    return np.asarray(edge[3](node0) + edge[4](node1) + edge[5](node2))


def reduction_forward(x: Array, first: Convolution, second: Convolution, shortcut: Array) -> Array:
    """Output of the residual block that halves the resolution.

    Args:
        x: Input, (B, C, H, W).
        first: 3x3, of stride 2.
        second: 3x3.
        shortcut: 1x1 weight behind the average over 2x2 pixels.
    """
    quarters = [x[:, :, down::2, right::2] for down in (0, 1) for right in (0, 1)]
    pooled = np.asarray(sum(quarters)) / 4
    main = _relu_conv_bn(_relu_conv_bn(x, first, stride=2), second)
    return np.asarray(main + _convolution(pooled, shortcut))
