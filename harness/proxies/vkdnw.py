"""VKDNW: entropy of the Fisher information spectrum of an untrained network."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.types import Batch
from harness.proxies._registry import Asks, Score, register_proxy
from harness.scoring.jacobian import scalar_parameters
from harness.scoring.passes import fisher_jacobian

_ALPHA = 0.05  # label smoothing of the predicted probabilities
_TINY = 1e-10
_ENTRIES = 1 << 24  # of the factors L held at once: 1,000 classes have a million each
_PARTS = ("layers", "entropy", *(f"decile_{k}" for k in range(1, 10)))
_ASKS: tuple[Asks, ...] = ("running_statistics",)

Factor = Literal["public", "exact"]


@register_proxy(
    "vkdnw",
    paper="arXiv:2502.04975",
    mode="eval",
    parts=_PARTS,
    asks=_ASKS,
    aliases=("vkdnw_single",),
)
def vkdnw(network: nn.Module, batch: Batch) -> Score:
    """Number of layers plus the entropy of the deciles of the Fisher spectrum.

    The Fisher matrix of a softmax classifier with logits z(x; theta) is
    F = mean_n J_n^T (diag p_n - p_n p_n^T) J_n, J_n = dz/dtheta at sample n, p_n the
    class probabilities. VKDNW = -sum_k l_k log l_k over the nine deciles of its
    eigenvalues, normalised to l_k = q_k / sum q; the single score is aleph + VKDNW, aleph the
    number of parameter tensors (Tybl and Neumann, "Training-free Neural Architecture Search
    through Variance of Knowledge of Deep Network Weights", CVPR 2025, eqs. 7 to 11). Higher
    is better: many layers, about which the data is equally informative.

    theta is one scalar, the first, of each of the first 128 parameter tensors. Noise input,
    Kaiming weights, eval mode, as in the paper's Table 1.

    The published code factorises diag p - p p^T = L L^T and then forms J^T L^T L J, not
    J^T L L^T J. This is the published form, which made the paper's tables; `vkdnw_exact` is
    the Fisher matrix; docs/results.md has both measured on the same cells.
    Departures: probabilities and smoothing in float64 (the code rounds alpha = 0.05 to
    float16), and a failing eigenvalue solver is an error, not a spectrum of zeros.

    Args:
        network: In eval mode.
        batch: inputs (B, 3, R, R).

    Returns:
        `score` = layers + entropy; `layers`; `entropy` in [0, ln 9]; `decile_1` ...
        `decile_9`, the eigenvalue deciles before normalisation.
    """
    return _score(network, batch, "public")


@register_proxy("vkdnw_exact", paper="arXiv:2502.04975", mode="eval", parts=_PARTS, asks=_ASKS)
def vkdnw_exact(network: nn.Module, batch: Batch) -> Score:
    """As `vkdnw`, with the Fisher matrix itself, J^T L L^T J (the paper's eq. 7).

    Arguments and result as in `vkdnw`.
    """
    return _score(network, batch, "exact")


def _score(network: nn.Module, batch: Batch, factor: Factor) -> dict[str, float]:
    layers = len(scalar_parameters(network, None))
    logits, jacobian = fisher_jacobian(network, batch)
    deciles = spectrum_deciles(fisher_matrix(logits, jacobian, factor))
    entropy = decile_entropy(deciles)
    parts = {f"decile_{k}": float(value) for k, value in enumerate(deciles, start=1)}
    return {"score": layers + entropy, "layers": float(layers), "entropy": entropy, **parts}


def softmax_covariance_factor(probabilities: Tensor) -> Tensor:
    """Lower-triangular L with L L^T = diag p - p p^T, in closed form.

    With the tails q_j = 1 - sum_{i <= j} p_i: L_jj = sqrt(p_j q_j / q_{j-1}) and
    L_ij = -p_i / q_j L_jj for i > j; the last column is zero, the matrix being singular.

    Args:
        probabilities: (..., C), positive, summing to one.

    Returns:
        (..., C, C).
    """
    p = probabilities
    # Tails as sums of what follows: the last is exactly zero.
    tail = p.flip(-1).cumsum(-1).flip(-1) - p
    before = tail + p
    diagonal = (p * tail / before).sqrt()
    ratio = torch.where(tail > 0, diagonal / tail, torch.zeros_like(tail))
    below = -p[..., :, None] * ratio[..., None, :]
    return below.tril(-1) + torch.diag_embed(diagonal)


def fisher_matrix(logits: Tensor, jacobian: Tensor, factor: Factor) -> Tensor:
    """Empirical Fisher matrix of the chosen scalars, in float64.

    Args:
        logits: (B, C).
        jacobian: (B, C, P), d logit / d scalar.
        factor: "exact" for mean_n J^T L L^T J; "public" for the published code's
            mean_n J^T L^T L J.

    Returns:
        (P, P), symmetric, positive semi-definite.
    """
    logits, jacobian = logits.double(), jacobian.double()
    smoothed = (1 - _ALPHA) * logits.softmax(-1) + _ALPHA / logits.shape[-1]
    at_once = max(1, _ENTRIES // logits.shape[-1] ** 2)
    parts = []
    for p, j in zip(smoothed.split(at_once), jacobian.split(at_once), strict=True):
        lower = softmax_covariance_factor(p)
        root = lower.mT if factor == "exact" else lower
        parts.append((root @ j).flatten(0, 1))
    rows = torch.cat(parts)
    return rows.T @ rows / len(logits)


def spectrum_deciles(fisher: Tensor) -> Tensor:
    """The nine deciles 10 % ... 90 % of the eigenvalues, linearly interpolated: (9,)."""
    eigenvalues = torch.linalg.svdvals(fisher)
    levels = torch.arange(1, 10, dtype=fisher.dtype, device=fisher.device) / 10
    return torch.quantile(eigenvalues, levels)


def decile_entropy(deciles: Tensor) -> float:
    """-sum t log t of the deciles scaled to t = q / sum q: in [0, ln 9] (to 1e-10)."""
    t = deciles / (deciles.abs().sum() + _TINY)
    return 0.0 - float((t * (t + _TINY).log()).sum())
