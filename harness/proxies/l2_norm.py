"""L2 norm of the weights."""

from __future__ import annotations

from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import weights


@register_proxy("l2_norm", paper="arXiv:2101.08134", init="default", input="none", asks=("layers",))
def l2_norm(network: nn.Module, batch: Batch) -> float:
    """Sum over convolutions and linear layers of the Euclidean norm of their weights.

    A baseline of Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS" (ICLR 2021), with
    PyTorch's default weights: a smooth count of the layers. Higher is better.

    Args:
        network: Any.
        batch: Not used.

    Returns:
        The sum, >= 0.
    """
    return sum(float(w.detach().double().norm()) for w in weights(network).values())
