"""Zen-NAS from the words of the specification, section 2.5; slow."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn


def zen(network: Any, inputs: Tensor, epsilon: Tensor) -> float:
    """log Delta + sum over batch norms of log sqrt(mean over channels of the running variance).

    The network is a fresh one: its running variances are 1.
    """
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    with torch.no_grad():
        plain = network.pre_gap(inputs)
        perturbed = network.pre_gap(inputs + 0.01 * epsilon)
    delta = 0.0
    for a, b in zip(plain, perturbed, strict=True):
        delta += (a - b).abs().sum().item() / len(inputs)
    if delta == 0:
        return -math.inf
    score = math.log(delta)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_var is not None
            score += math.log(math.sqrt(module.running_var.mean().item()))
    return score
