"""A NAS-Bench-101 cell from the words of its definition, vertex by vertex; slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


def widths(matrix: Sequence[Sequence[int]], c_in: int, c_out: int) -> list[int]:
    """Channels of every vertex, as the specification says it."""
    last = len(matrix) - 1
    if last == 1:
        return [c_in, c_out]
    into_output = [v for v in range(1, last) if matrix[v][last]]
    result = [0] * (last + 1)
    result[0], result[last] = c_in, c_out
    share, left = (c_out // len(into_output), c_out % len(into_output)) if into_output else (0, 0)
    for v in into_output:
        result[v] = share
        if left:
            result[v], left = share + 1, left - 1
    for v in range(last - 1, 0, -1):
        if v not in into_output:
            for w in range(v + 1, last):
                if matrix[v][w]:
                    result[v] = max(result[v], result[w])
    return result


def cell_forward(
    matrix: Sequence[Sequence[int]],
    ops: Sequence[str],
    x: Tensor,
    c_out: int,
    parameters: Iterator[Tensor],
) -> Tensor:
    """What a cell in train mode makes of (B, C, H, W).

    Args:
        matrix: Adjacency of the pruned graph.
        ops: Operation of each vertex.
        x: (B, C, H, W).
        c_out: Channels of the output.
        parameters: Convolution weight, batch norm scale and shift of each vertex in turn: first
            of its projection of the input, then of its operation.
    """
    last = len(matrix) - 1
    width = widths(matrix, x.shape[1], c_out)

    def conv_bn_relu(value: Tensor) -> Tensor:
        weight, scale, shift = next(parameters), next(parameters), next(parameters)
        value = nn.functional.conv2d(value, weight, padding=weight.shape[-1] // 2)
        mean = value.mean(dim=(0, 2, 3), keepdim=True)
        variance = ((value - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        value = (value - mean) / torch.sqrt(variance + 1e-5)
        return (value * scale[:, None, None] + shift[:, None, None]).clamp(min=0)

    values: list[Tensor] = [x]
    for vertex in range(1, last):
        total = torch.zeros(len(x), width[vertex], *x.shape[2:], dtype=x.dtype)
        if matrix[0][vertex]:
            total = total + conv_bn_relu(x)
        for source in range(1, vertex):
            if matrix[source][vertex]:
                total = total + values[source][:, : width[vertex]]
        if ops[vertex] == "maxpool3x3":
            values.append(nn.functional.max_pool2d(total, 3, stride=1, padding=1))
        else:
            values.append(conv_bn_relu(total))
    joined = [values[v] for v in range(1, last) if matrix[v][last]]
    projected = conv_bn_relu(x) if matrix[0][last] else 0
    return torch.cat(joined, dim=1) + projected if joined else torch.as_tensor(projected)
