"""SNIP from the words of the specification, section 2 (table): gradients of unit masks; slow."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call


def snip(network: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum over convolution and linear weights of |dL/dmask|, the masks being ones."""
    network = copy.deepcopy(network)
    network.zero_grad()
    masks: dict[str, Tensor] = {}
    masked: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = f"{name}.weight"
            masks[weight] = torch.ones_like(module.weight, requires_grad=True)
            masked[weight] = module.weight.detach() * masks[weight]
    logits = functional_call(network, masked, (inputs,))
    nn.CrossEntropyLoss()(logits, targets).backward()
    return sum(mask.grad.abs().sum().item() for mask in masks.values() if mask.grad is not None)
