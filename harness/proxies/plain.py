"""Plain: first-order effect of all weights on the loss."""

from __future__ import annotations

from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import loss_gradients, weights


@register_proxy("plain", paper="arXiv:2101.08134", init="default", input="images", asks=("layers",))
def plain(network: nn.Module, batch: Batch) -> float:
    """Sum over weights of w dL/dw, signed.

    The saliency of Mozer and Smolensky (NIPS 1988) without absolute values, as the code of
    Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS" (ICLR 2021) sums it: PyTorch's
    default weights, one real batch, mean cross-entropy, train mode. A layer that a batch norm
    follows contributes only rounding and the batch norm's epsilon, since its scale does not
    matter; the score is mostly the classifier's.

    Args:
        network: In train mode.
        batch: inputs (B, 3, R, R), targets (B,).

    Returns:
        The sum, of either sign.
    """
    found = loss_gradients(network, batch)
    layers = weights(network).items()
    return sum(float((w.detach() * found[name]).double().sum()) for name, w in layers)
