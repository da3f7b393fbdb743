"""EPE-NAS from the words of the specification, section 2.11; slow."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.reference.jacov import correlation, input_jacobian


def epe_nas(network: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Input Jacobians grouped by class, and how much those of one class correlate."""
    with torch.no_grad():
        classes = copy.deepcopy(network)(inputs).shape[1]
    return score(input_jacobian(network, inputs), targets.tolist(), classes)


def score(jacobian: NDArray[np.float64], labels: list[int], classes: int) -> float:
    """From the rows of the Jacobian, one a sample, and their labels."""
    k = 1e-5
    values: list[float] = []
    for label in sorted(set(labels)):
        rows = np.array([row for row, own in zip(jacobian, labels, strict=True) if own == label])
        if classes > 100 and len(rows) == 1:
            continue
        # One image correlates with itself, whatever its row.
        matrix = correlation(rows) if len(rows) > 1 else np.ones((1, 1))
        s = sum(math.log(abs(c) + k) for c in matrix.flatten())
        values.append(s / len(rows) if classes > 100 else s)
    if classes <= 100:
        return sum(abs(s) for s in values)
    if not values:
        return math.nan
    return sum(abs(s - t) for s in values for t in values) / len(values)
