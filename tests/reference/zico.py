"""ZiCo from the words of the specification, section 2.7: module by module; slow."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


def zico(network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Sum over modules of log sum mean|g| / std; "paper" has the deviation of |g| (Eq. 15)."""
    networks = []
    for inputs, targets in batches:
        own = copy.deepcopy(network)
        own.zero_grad()
        nn.CrossEntropyLoss()(own(inputs), targets).backward()
        networks.append(own)

    result = {"score": 0.0, "paper": 0.0}
    for modules in zip(*(n.modules() for n in networks), strict=True):
        if not all(isinstance(module, (nn.Conv2d, nn.Linear)) for module in modules):
            continue
        gradients = np.array([_gradient(module) for module in modules])
        mean = np.abs(gradients).mean(0)
        for name, values in (("score", gradients), ("paper", np.abs(gradients))):
            deviation = values.std(0)
            t = (mean[deviation != 0] / deviation[deviation != 0]).sum()
            if t != 0:
                result[name] += math.log(t)
    return result


def _gradient(module: nn.Module) -> NDArray[np.float64]:
    weight = module.get_parameter("weight")
    if weight.grad is None:
        return np.zeros(tuple(weight.shape))
    values: NDArray[np.float64] = weight.grad.numpy()
    return values
