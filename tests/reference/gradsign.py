"""GradSign from the words of the specification, section 2.6: sample by sample; slow."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def gradsign(network: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Sum over weights k of |sum over samples i of sign(d l_i / d theta_k)|, and its mean."""
    sums: dict[str, Tensor] = {}
    for x, y in zip(inputs, targets, strict=True):
        alone = copy.deepcopy(network)
        alone.zero_grad()
        nn.CrossEntropyLoss()(alone(x[None]), y[None]).backward()
        for name, module in alone.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                gradient = module.weight.grad
                signs = torch.zeros_like(module.weight) if gradient is None else gradient.sign()
                sums[name] = sums[name] + signs if name in sums else signs
    score = sum(s.abs().sum().item() for s in sums.values())
    return {"score": score, "mean": score / sum(s.numel() for s in sums.values())}
