"""Jacobian covariance: how differently the network reacts to different images."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import input_jacobian

_K = 1e-5


@register_proxy("jacov", paper="arXiv:2006.04647v1", input="images", aliases=("jacob_cov",))
def jacov(network: nn.Module, batch: Batch) -> float:
    """-sum_i [log(v_i + k) + 1 / (v_i + k)], v the spectrum of the Jacobians' correlations.

    Row i of J is the gradient of the summed logits with respect to image i; v_i are the
    eigenvalues of the Pearson correlation matrix of the rows, k = 1e-5 (Mellor et al., "Neural
    Architecture Search without Training", first version, eq. 3): the nearer to one all of them,
    the less alike the reactions. One real batch, Kaiming weights, train mode. Higher is better.

    Args:
        network: In train mode.
        batch: inputs (B, 3, R, R).

    Returns:
        At most -B; NaN where a row is constant, as for a disconnected output.
    """
    correlation = torch.corrcoef(input_jacobian(network, batch).double())
    if not bool(correlation.isfinite().all()):
        return float("nan")
    v = torch.linalg.eigvalsh(correlation).clamp(min=0) + _K
    return -float((v.log() + 1 / v).sum())
