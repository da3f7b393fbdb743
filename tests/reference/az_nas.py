"""AZ-NAS from the words of the specification, section 2.9; slow."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


def az_nas(network: Any, inputs: Tensor, generator: torch.Generator) -> dict[str, float]:
    """Expressivity, progressivity and trainability; the generator draws the signs."""
    maps = copy.deepcopy(network).features(inputs)
    entropies = [entropy(f.detach()) for f in maps]
    steps = [after - before for before, after in pairwise(entropies)]
    terms = []
    for before, after in reversed(list(pairwise(maps))):
        signs = 2 * torch.randint(0, 2, after.shape, generator=generator) - 1
        terms.append(term(before, after, signs.to(torch.float64)))
    return {
        "expressivity": sum(entropies),
        "progressivity": math.nan if any(map(math.isnan, steps)) else min(steps),
        "trainability": sum(terms) / len(terms),
    }


def rows(f: Tensor) -> Array:
    """(B, c, h, w) -> (B h w, c), value by value a pixel's channels."""
    result: Array = f.permute(0, 2, 3, 1).reshape(-1, f.shape[1]).numpy()
    return result


def entropy(f: Tensor) -> float:
    """-sum p log(p + 1e-8), p the normalised eigenvalues of the covariance of the channels."""
    x = rows(f)
    x = x - x.mean(0)
    s = np.linalg.eigvalsh(x.T @ x / len(x))
    if s.sum() == 0:
        return math.nan
    return float(-sum(p * math.log(p + 1e-8) for p in s / s.sum()))


def term(before: Tensor, after: Tensor, g_out: Tensor) -> float:
    """-sigma - 1 / (sigma + 1e-6) + 2, sigma the largest singular value of M."""
    g_in = None
    if after.requires_grad and before.requires_grad:  # not so the zeros of an unfed cell
        (g_in,) = torch.autograd.grad(after, before, g_out, retain_graph=True, allow_unused=True)
    if g_in is None:
        g_in = torch.zeros_like(before)
    if g_in.shape == g_out.shape and (g_in == g_out).all():
        return -math.inf
    stride = g_in.shape[2] // g_out.shape[2]
    batch, channels, height, width = g_in.shape
    unshuffled = torch.zeros(
        batch, channels * stride**2, height // stride, width // stride, dtype=torch.float64
    )
    for c in range(channels):
        for i in range(stride):
            for j in range(stride):
                unshuffled[:, c * stride**2 + i * stride + j] = g_in[:, c, i::stride, j::stride]
    a, b = rows(unshuffled), rows(g_out)
    sigma = float(np.linalg.svd(a.T @ b / len(b), compute_uv=False)[0])
    return -sigma - 1 / (sigma + 1e-6) + 2
