"""NASWOT from the words of the specification, section 2.4; slow."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor, nn


def nwot(network: nn.Module, inputs: Tensor) -> float:
    """Log-absolute-determinant of K, K the sum over ReLU calls of A A^T + (1-A)(1-A)^T."""
    seen: list[Tensor] = []
    handles = [
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    network(inputs)
    for handle in handles:
        handle.remove()

    size = len(inputs)
    kernel = np.zeros((size, size))
    for x in seen:
        a = (x.reshape(size, -1).numpy() > 0).astype(np.float64)
        kernel += a @ a.T + (1 - a) @ (1 - a).T
    sign, logarithm = np.linalg.slogdet(kernel)
    return -math.inf if sign == 0 else float(logarithm)
