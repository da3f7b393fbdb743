"""GraSP from the words of the specification, section 2 (table): a double backward; slow."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def grasp(network: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum over W of -w (H g): g = dL/dw as a constant, H g = d<g, dL/dw>/dw; T = 1."""
    network = copy.deepcopy(network)
    weights = [m.weight for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]

    def gradients(*, again: bool) -> list[Tensor]:
        loss = nn.CrossEntropyLoss()(network(inputs), targets)
        found = torch.autograd.grad(loss, weights, create_graph=again, allow_unused=True)
        return [
            torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)
        ]

    first = [g.detach() for g in gradients(again=False)]
    second = gradients(again=True)
    inner = torch.zeros((), dtype=torch.float64)
    for constant, g in zip(first, second, strict=True):
        inner = inner + (constant * g).sum()
    if not inner.requires_grad:
        return 0.0  # no gradient depends on any weight
    products = torch.autograd.grad(inner, weights, allow_unused=True)
    score = 0.0
    for weight, product in zip(weights, products, strict=True):
        if product is not None:
            score += (-weight * product).sum().item()
    return score
