"""EPE-NAS: correlation of the Jacobians within each class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import forward, input_jacobian

_K = 1e-5
_MANY = 100  # above it classes are compared with each other


@register_proxy("epe_nas", paper="arXiv:2102.08099", init="default", input="images")
def epe_nas(network: nn.Module, batch: Batch) -> float:
    """Sum over classes of the log-correlations of their images' Jacobians.

    Rows of the Jacobian (gradient of the summed logits with respect to an image) are grouped
    by label; with Corr_c the Pearson correlation matrix of class c, s_c = sum log(|Corr_c| + k)
    over its entries, k = 1e-5. Up to 100 classes the score is sum_c |s_c|; above,
    s_c is divided by the images of the class, classes with one image are left out, and the
    score is sum_{c,c'} |s_c - s_c'| / (number of classes) (Lopes, Alirezazadeh and Alexandre,
    "EPE-NAS", ICANN 2021, eqs. 4 to 6, and its code). PyTorch's default weights, one real
    batch, train mode. Higher is better.

    Args:
        network: In train mode; its number of logits is that of the classes.
        batch: inputs (B, 3, R, R), targets (B,).

    Returns:
        >= 0; NaN where a row of a class of several images is constant, and above 100 classes
        where no class has two images.
    """
    jacobian = input_jacobian(network, batch).double()
    many = forward(network, batch).logits.shape[1] > _MANY
    groups = [jacobian[batch.targets == label] for label in batch.targets.unique()]
    sums = [_log_correlation(rows) for rows in groups if not (many and len(rows) == 1)]
    if not many:
        return float(torch.stack(sums).abs().sum())
    if not sums:
        return float("nan")
    means = torch.stack(
        [s / len(rows) for s, rows in zip(sums, (g for g in groups if len(g) > 1), strict=True)]
    )
    return float((means[:, None] - means[None, :]).abs().sum()) / len(means)


def _log_correlation(rows: Tensor) -> Tensor:
    # An image correlates with itself: corrcoef of one row is 1, also where the row is constant.
    correlation = torch.corrcoef(rows) if len(rows) > 1 else rows.new_ones(1)
    return (correlation.abs() + _K).log().sum()
