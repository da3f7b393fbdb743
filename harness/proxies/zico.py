"""ZiCo: mean against deviation of the gradients over batches."""

from __future__ import annotations

import math

from torch import Tensor, nn

from benchmarks.types import Batch
from harness.proxies._registry import Score, register_proxy
from harness.scoring.passes import apart, loss_gradients, weights


@register_proxy(
    "zico", paper="arXiv:2301.11300", input="images", batches=2, parts=("paper",), asks=("layers",)
)
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
        a, b = one[name].double(), two[name].double()
        total = a.abs() + b.abs()
        score += _log_ratio(total, a - b)
        paper += _log_ratio(total, a.abs() - b.abs())
    return {"score": score, "paper": paper}


def _log_ratio(total: Tensor, difference: Tensor) -> float:
    """log sum mean / deviation of one layer; 0 where it is left out.

    Of two numbers the mean is half their sum and the population deviation half their distance.
    """
    ratio = total / difference.abs()
    summed = float(ratio[difference != 0].sum())
    return math.log(summed) if summed != 0 else 0.0
