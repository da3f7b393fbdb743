"""L2 norm from the words of the specification, section 2.11; slow."""

from __future__ import annotations

import math

from torch import nn


def l2_norm(network: nn.Module) -> float:
    """Sum over convolutions and linear layers of the norm of the weight."""
    score = 0.0
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            score += math.sqrt(sum(w**2 for w in module.weight.flatten().tolist()))
    return score
