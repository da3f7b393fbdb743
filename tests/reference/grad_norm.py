"""GradNorm from the words of the specification, section 2 (table); slow."""

from __future__ import annotations

import copy
import math

from torch import Tensor, nn


def grad_norm(network: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Root of the sum of squares of dL/dp; and the sum over layers of the norms (section 2, ⚠)."""
    network = copy.deepcopy(network)
    network.zero_grad()
    nn.CrossEntropyLoss()(network(inputs), targets).backward()

    squares = 0.0
    for p in network.parameters():
        if p.grad is not None:
            squares += (p.grad**2).sum().item()
    layerwise = 0.0
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.grad is not None:
            layerwise += math.sqrt((module.weight.grad**2).sum().item())
    return {"score": math.sqrt(squares), "layerwise": layerwise}
