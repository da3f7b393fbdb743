"""SynFlow: data-free saliency of all weights together."""

from __future__ import annotations

import copy

import torch
from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy


@register_proxy("synflow", paper="arXiv:2006.05467", input="none", asks=("layers",))
def synflow(network: nn.Module, batch: Batch) -> float:
    """Sum over weights of |theta dR/dtheta|, R the summed logits of the absolute network.

    Weights, biases and buffers are replaced by their absolute values, batch norms by the
    identity, the input by one image of ones; then R = sum of logits and the score is
    sum |theta * dR/dtheta| over convolution and linear weights (Tanaka et al., "Pruning
    neural networks without any data by iteratively conserving synaptic flow", NeurIPS 2020,
    eq. 2; as a NAS proxy Abdelfattah et al., arXiv:2101.08134). Higher is better.

    Computed in float64: values reach 1e66 on NAS-Bench-201. No logarithm is taken (NASLib
    takes one; the ranks are the same).

    Args:
        network: Left untouched; a copy is worked on.
        batch: Only the shape of its inputs (B, 3, R, R) is used.

    Returns:
        The sum, >= 0; 0 for a network whose output is disconnected.
    """
    absolute = copy.deepcopy(network).double()
    for parent in list(absolute.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(parent, name, nn.Identity())
    with torch.no_grad():
        for tensor in (*absolute.parameters(), *absolute.buffers()):
            tensor.abs_()
    weights = [m.weight for m in absolute.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    ones = torch.ones_like(batch.inputs[:1], dtype=torch.float64)
    with torch.enable_grad():
        flow = absolute(ones).sum()
    gradients = torch.autograd.grad(flow, weights, allow_unused=True)
    total = ones.new_zeros(())
    for weight, gradient in zip(weights, gradients, strict=True):
        if gradient is not None:
            total += (weight.detach() * gradient).abs().sum()
    return float(total)
