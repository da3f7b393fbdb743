"""Plain from the words of the specification, section 2.11; slow."""

from __future__ import annotations

import copy

from torch import Tensor, nn


def plain(network: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum over convolution and linear weights of w dL/dw, with its sign."""
    network = copy.deepcopy(network)
    network.zero_grad()
    nn.CrossEntropyLoss()(network(inputs), targets).backward()
    score = 0.0
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.grad is not None:
            score += (module.weight * module.weight.grad).sum().item()
    return score
