"""SNIP: sensitivity of the loss to the removal of single weights."""

from __future__ import annotations

from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import loss_gradients, weights


@register_proxy("snip", paper="arXiv:1810.02340", input="images", asks=("layers",))
def snip(network: nn.Module, batch: Batch) -> float:
    """Sum over weights of |w dL/dw|.

    A weight multiplied with a mask m = 1 changes the loss by dL/dm = w dL/dw (Lee, Ajanthan
    and Torr, "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR 2019,
    eq. 5; as a NAS proxy Abdelfattah et al., arXiv:2101.08134). L is the mean cross-entropy
    of one real batch in train mode; weights are those of convolutions and linear layers.
    Kaiming weights, as behind the VKDNW and AZ-NAS tables (Abdelfattah et al. use PyTorch's
    default). Higher is better.

    Args:
        network: In train mode.
        batch: inputs (B, 3, R, R), targets (B,).

    Returns:
        The sum, >= 0; 0 for a network whose output is disconnected.
    """
    found = loss_gradients(network, batch)
    layers = weights(network).items()
    return sum(float((w.detach() * found[name]).double().abs().sum()) for name, w in layers)
