"""SynFlow from the words of the specification, section 2.2; slow."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class _Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def synflow(network: nn.Module, resolution: int) -> float:
    """Sum over convolution and linear weights of |theta dR/dtheta|."""
    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(parent), attribute, _Nothing())
    network.load_state_dict({name: tensor.abs() for name, tensor in network.state_dict().items()})
    network = network.to(torch.float64)

    logits = network(torch.ones(1, 3, resolution, resolution, dtype=torch.float64))
    logits.sum().backward()
    score = 0.0
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.grad is not None:
            score += (module.weight * module.weight.grad).abs().sum().item()
    return score
