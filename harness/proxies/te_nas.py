"""TE-NAS: condition number of the neural tangent kernel, and number of linear regions."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.types import Batch
from harness.proxies._registry import Score, register_proxy
from harness.scoring.passes import apart, forward, gradients

_COLUMNS = 2**18  # of the gradient rows, converted to float64 at a time


@register_proxy(
    "te_nas",
    paper="arXiv:2102.11535",
    input="images",
    parts=("ntk", "linear_regions"),
    has_score=False,
    asks=("relu_maps",),
)
def te_nas(network: nn.Module, batch: Batch) -> Score:
    """Parts `ntk` (minus the condition number) and `linear_regions`; ranked together.

    With g_i the gradient of the summed logits of sample i with respect to all weights, the
    neural tangent kernel is Theta_ij = <g_i, g_j>, and ntk = -lambda_max / lambda_min (Chen,
    Gong and Wang, "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR 2021, eq. 5):
    the better conditioned, the better trainable. `linear_regions` counts the distinct
    patterns of active ReLUs over a batch of noise (eq. 7 there), in 1..B. Higher is better in
    both. The method's score is the sum of their ranks in a set of architectures:
    the aggregate `te_nas`.

    As in the runs behind the VKDNW and AZ-NAS tables: one real batch in train mode, where
    batch norm couples the samples (hence one full backward pass a sample), Kaiming weights,
    "weights" all parameters with "weight" in their name (batch norms too). TE-NAS itself ranks
    changes while it prunes a supernet, with other initialisations.

    Departures: the kernel is summed in float64, so that a small lambda_min is not lost to
    rounding. A kernel of zeros (the output is disconnected) has no condition number: no `ntk`,
    where the public code puts -100000; ranked last either way.

    Args:
        network: In train mode.
        batch: inputs (B, 3, R, R).

    Returns:
        `ntk` <= -1 (-inf or NaN for a singular kernel), `linear_regions`.
    """
    noise = replace(batch, inputs=batch.noise("regions"))
    rows = gradient_rows(network, forward(network, batch).logits)
    eigenvalues = torch.linalg.eigvalsh(gram(rows))
    condition = float(eigenvalues[-1] / eigenvalues[0].clamp(min=0))
    return {"ntk": -condition, "linear_regions": linear_regions(network, noise)}


def gradient_rows(network: nn.Module, logits: Tensor) -> Tensor:
    """Gradients of each sample's summed logits (B, C) with respect to all weights: (B, P)."""
    weights = [p for name, p in network.named_parameters() if "weight" in name]
    sizes = [w.numel() for w in weights]
    rows = logits.new_empty(len(logits), sum(sizes)).detach()
    for row, seed in zip(rows, torch.eye(len(logits)).to(logits), strict=True):
        found = gradients(logits, weights, seed[:, None].expand_as(logits))
        for part, g in zip(row.split(sizes), found, strict=True):
            part.copy_(g.flatten())
    return rows


def gram(rows: Tensor) -> Tensor:
    """Inner products of the rows in float64: (B, P) -> (B, B)."""
    total = rows.new_zeros(len(rows), len(rows), dtype=torch.float64)
    for block in rows.split(_COLUMNS, dim=1):
        wide = block.double()
        total += wide @ wide.T
    return total


def linear_regions(network: nn.Module, batch: Batch) -> int:
    """Distinct activation patterns of the ReLUs that give maps (4-D), over the batch."""
    with apart():
        given = forward(network, batch).rectified
    active = [map_.flatten(1) > 0 for map_ in given if map_.dim() == 4]
    if not active:
        return 1  # no ReLU bends anything
    return len(torch.unique(torch.cat(active, dim=1), dim=0))
