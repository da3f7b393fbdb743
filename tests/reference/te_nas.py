"""TE-NAS from the words of the specification, section 2.8: one pass a sample; slow."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn


def ntk(network: nn.Module, inputs: Tensor) -> float:
    """-lambda_max / lambda_min of the Gram matrix of the gradients of each sample's logits.

    A kernel of zeros gives NaN here, not -100000.
    """
    rows = []
    for i in range(len(inputs)):
        own = copy.deepcopy(network)
        own.zero_grad()
        own(inputs)[i].sum().backward()
        rows.append(
            torch.cat(
                [
                    (torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1)
                    for name, p in own.named_parameters()
                    if "weight" in name
                ]
            ).numpy()
        )
    kernel = np.array([[a @ b for b in rows] for a in rows])
    smallest, largest = np.linalg.eigvalsh(kernel)[[0, -1]]
    if largest == 0:
        return math.nan
    return -math.inf if smallest <= 0 else float(-largest / smallest)


def linear_regions(network: nn.Module, inputs: Tensor) -> int:
    """Number of distinct signs of all 4-D ReLU outputs."""
    network = copy.deepcopy(network)
    outputs: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _, __, out: outputs.append(out.detach().clone()))
    with torch.no_grad():
        network(inputs)
    maps = [out for out in outputs if out.dim() == 4]
    return len(
        {b"".join(out[i].sign().numpy().tobytes() for out in maps) for i in range(len(inputs))}
    )
