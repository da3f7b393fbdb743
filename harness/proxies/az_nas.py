"""AZ-NAS: expressivity, progressivity and trainability of the blocks of a network."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from benchmarks.types import Batch
from harness.proxies._registry import Score, register_proxy
from harness.scoring.passes import forward, gradients


@register_proxy(
    "az_nas",
    paper="arXiv:2403.19232",
    parts=("expressivity", "progressivity", "trainability"),
    has_score=False,
    asks=("stages",),
)
def az_nas(network: nn.Module, batch: Batch) -> Score:
    """Parts `expressivity`, `progressivity`, `trainability`; ranked together with FLOPs.

    Over the features f_0 (stem), f_1 ... f_L (blocks), Lee and Ham, "AZ-NAS: Assembling
    Zero-Cost Proxies for Network Architecture Search", CVPR 2024:

    - e_l: entropy of the normalised spectrum of the covariance of f_l over batch and pixels;
      expressivity = sum_l e_l (eq. 3), progressivity = min_l (e_l - e_{l-1}) (eq. 4).
    - t_l = 2 - s - 1 / s, s the largest singular value of the mean over batch and pixels of
      g_in g_out^T, g_out random signs and g_in their product with the Jacobian of block l;
      trainability = mean_l t_l (eqs. 6 to 8), at most 0. A block that halves the
      resolution has g_in's pixels unshuffled into channels.

    Noise input, Kaiming weights, train mode. Higher is better in all. The method's score is
    the sum of the logarithms of their ranks in a set of architectures: the aggregate `az_nas`.

    Args:
        network: In train mode, with `features` and `head`.
        batch: inputs (B, 3, R, R).

    Returns:
        The three parts. Expressivity and progressivity are NaN where a map is constant,
        trainability is -inf where a block is the identity.

    Raises:
        ValueError: The network has no features.
    """
    features = forward(network, batch).features
    if len(features) < 2:
        raise ValueError("az_nas needs a network with features(x) and head(x)")
    entropies = [_entropy(f.detach()) for f in features]
    steps = [late - early for early, late in pairwise(entropies)]
    generator = batch.generator("trainability")
    blocks = list(pairwise(features))
    trained = [_trainability(read, given, generator) for read, given in reversed(blocks)]
    broken = any(math.isnan(e) for e in entropies)
    return {
        "expressivity": sum(entropies),
        "progressivity": math.nan if broken else min(steps),
        "trainability": sum(trained) / len(trained),
    }


def _entropy(feature: Tensor) -> float:
    """Entropy of the spectrum of the channels' covariance: (B, C, H, W) -> [0, ln C]."""
    rows = feature.movedim(1, -1).flatten(0, -2)
    rows = rows - rows.mean(0)
    covariance = (rows.T @ rows).double() / len(rows)
    spectrum = torch.linalg.eigvalsh(covariance).clamp(min=0)
    p = spectrum / spectrum.sum()
    return -float((p * (p + 1e-8).log()).sum())


def _trainability(read: Tensor, given: Tensor, generator: Generator) -> float:
    """2 - s - 1/s of a block that read (B, C, H, W) and gave (B, C', H', W')."""
    signs = 2 * torch.randint(0, 2, given.shape, generator=generator) - 1
    g_out = torch.empty_like(given).copy_(signs).detach()
    (g_in,) = gradients(given, [read], g_out)
    if g_in.shape == g_out.shape and torch.equal(g_in, g_out):
        return -math.inf
    stride = read.shape[-1] // given.shape[-1]
    if stride > 1:
        g_in = F.pixel_unshuffle(g_in, stride)
    rows_in, rows_out = (g.movedim(1, -1).flatten(0, -2) for g in (g_in, g_out))
    jacobian = rows_in.T @ rows_out / len(rows_out)
    largest = float(torch.linalg.svdvals(jacobian.double())[0])
    return 2 - largest - 1 / (largest + 1e-6)
