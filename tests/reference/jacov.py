"""Jacov (NASWOT's first version) from the words of the specification, section 2.3; slow."""

from __future__ import annotations

import copy
import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


def input_jacobian(network: nn.Module, inputs: Tensor) -> NDArray[np.float64]:
    """One backward of the sum of all logits, with respect to the input: (B, d)."""
    network = copy.deepcopy(network)
    x = inputs.detach().clone().requires_grad_()
    total = network(x).sum()
    if total.requires_grad:
        total.backward()
    if x.grad is None:
        return np.zeros((len(x), x[0].numel()))
    rows: NDArray[np.float64] = x.grad.reshape(len(x), -1).numpy()
    return rows


def correlation(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlation of every two rows; NaN where one is constant."""
    count = len(rows)
    result = np.full((count, count), math.nan)
    for i in range(count):
        for j in range(count):
            a, b = rows[i] - rows[i].mean(), rows[j] - rows[j].mean()
            norm = math.sqrt((a @ a) * (b @ b))
            if norm > 0:
                result[i, j] = a @ b / norm
    return result


def jacov(network: nn.Module, inputs: Tensor) -> float:
    """-sum_i [log(v_i + k) + 1 / (v_i + k)], v the eigenvalues of the correlation; k = 1e-5."""
    k = 1e-5
    matrix = correlation(input_jacobian(network, inputs))
    if np.isnan(matrix).any():
        return math.nan
    eigenvalues: list[float] = np.linalg.eigvalsh(matrix).tolist()
    return -sum(math.log(v + k) + 1 / (v + k) for v in eigenvalues)
