"""GraSP: effect of the weights on the flow of gradients."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import forward, gradients, loss_of, weights


@register_proxy("grasp", paper="arXiv:2002.07376", input="images", asks=("layers",))
def grasp(network: nn.Module, batch: Batch) -> float:
    """Sum over weights of -w (H g), H the Hessian and g the gradient of the loss.

    Hg is the gradient of <g, dL/dw> with g held fixed (Wang, Zhang and Grosse, "Picking Winning
    Tickets Before Training by Preserving Gradient Flow", ICLR 2020, eq. 8). L is the
    mean cross-entropy (temperature 1) of one real batch, the same for g and H, in train mode,
    Kaiming weights, weights of convolutions and linear layers only: the runs behind the VKDNW
    and AZ-NAS tables. The sign is that of Abdelfattah et al. (arXiv:2101.08134), under which
    it correlates positively with accuracy. Higher is better.

    Args:
        network: In train mode.
        batch: inputs (B, 3, R, R), targets (B,).

    Returns:
        The sum, of either sign; 0 for a network whose output is disconnected.
    """
    layers = list(weights(network).values())
    loss = loss_of(forward(network, batch), batch)
    first = gradients(loss, layers, create_graph=True)
    with torch.enable_grad():
        flow = torch.stack([(g.detach() * g).sum() for g in first]).sum()
    second = gradients(flow, layers)
    return -sum(float((w.detach() * h).double().sum()) for w, h in zip(layers, second, strict=True))
