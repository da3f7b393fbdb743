"""ZiCo: mean against deviation of the gradients over batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmarks.types import Batch
from harness.passes import apart, loss_gradients, weights
from harness.proxies._registry import Score, register_proxy


@register_proxy("zico", paper="arXiv:2301.11300", input="images", batches=2)
def zico(network: nn.Module, first: Batch, second: Batch) -> Score:
    """Sum over layers of log sum_w (mean |g_w| / std g_w), over two batches.

    g is the gradient of the mean cross-entropy; mean and (population) deviation are over the
    two batches, weights with deviation 0 and layers whose sum is 0 are left out (Li et al.,
    "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients", ICLR 2023,
    eq. 15). The paper's denominator is the deviation of |g|, its code's that of the signed
    gradient, which made the published tables and is the score here. Real images,
    Kaiming weights, train mode. Higher is better.

    Args:
        network: In train mode.
        first: inputs (B, 3, R, R), targets (B,).
        second: Another batch.

    Returns:
        `score`, of the code; `paper`, with the deviation of |g|. 0 for a disconnected output.
    """
    one = loss_gradients(network, first)
    with apart():
        two = loss_gradients(network, second)
    score = paper = 0.0
    for name in weights(network):
        pair = torch.stack([one[name].double(), two[name].double()])
        mean = pair.abs().mean(0)
        score += _log_ratio(mean, pair)
        paper += _log_ratio(mean, pair.abs())
    return {"score": score, "paper": paper}


def _log_ratio(mean: Tensor, pair: Tensor) -> float:
    """log sum mean / std of one layer; 0 where it is left out."""
    deviation = pair.std(0, correction=0)
    kept = deviation != 0
    total = float((mean[kept] / deviation[kept]).sum())
    return math.log(total) if total != 0 else 0.0
