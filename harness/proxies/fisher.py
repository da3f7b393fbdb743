"""Fisher: saliency of the channels of every layer."""

from __future__ import annotations

from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import activation_gradients


@register_proxy(
    "fisher", paper="arXiv:1906.04113", init="default", input="images", asks=("layers",)
)
def fisher(network: nn.Module, batch: Batch) -> float:
    """Sum over channels of the Fisher information that their activations carry.

    Channel c of a layer with output a has Delta_c = 1/2 mean_n (sum_hw a dL/da)^2 (Turner et
    al., "BlockSwap", ICLR 2020, eq. 2, after Theis et al., arXiv:1801.05787). As a
    NAS proxy (Abdelfattah et al., arXiv:2101.08134, and its code) every weight of a channel
    gets the channel's value, so that the score is the sum over convolutions and linear layers
    of (weights a channel) sum_c Delta_c. PyTorch's default weights, one real batch, mean
    cross-entropy, train mode. Higher is better.

    Args:
        network: In train mode.
        batch: inputs (B, 3, R, R), targets (B,).

    Returns:
        The sum, >= 0.
    """
    total = 0.0
    for layer, a, gradient in activation_gradients(network, batch):
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        channel = 1 if isinstance(layer, nn.Conv2d) else a.dim() - 1
        others = tuple(d for d in range(1, a.dim()) if d != channel)
        saliency = a * gradient
        saliency = saliency.sum(others) if others else saliency
        total += layer.weight[0].numel() * float(saliency.double().square().mean(0).sum()) / 2
    return total
