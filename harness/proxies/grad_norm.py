"""GradNorm: length of the gradient at initialisation."""

from __future__ import annotations

import torch

from benchmarks.types import Batch
from harness.proxies._registry import Score, register_proxy
from harness.scoring.passes import loss_gradients, weights


@register_proxy("grad_norm", paper="arXiv:2101.08134", parts=("layerwise",))
def grad_norm(network: torch.nn.Module, batch: Batch) -> Score:
    """Euclidean norm of the gradient of the loss with respect to all parameters.

    sqrt(sum_p |dL/dp|^2) over every parameter, biases and batch norms too, L the mean
    cross-entropy of noise against random labels in train mode, with Kaiming weights, as in the
    runs behind the VKDNW and AZ-NAS tables. Abdelfattah et al., "Zero-Cost Proxies for
    Lightweight NAS" (ICLR 2021, section 3.2), sum the norms of the single layers'
    weight gradients on real images instead: the part `layerwise`, with `--input cifar10`.
    Higher is better.

    Args:
        network: In train mode.
        batch: inputs (B, 3, R, R), targets (B,).

    Returns:
        `score` >= 0; `layerwise`, the sum over convolutions and linear layers of |dL/dW|.
    """
    found = loss_gradients(network, batch)
    total = sum(float(g.double().square().sum()) for g in found.values())
    layers = sum(float(found[name].double().norm()) for name in weights(network))
    return {"score": total**0.5, "layerwise": layers}
