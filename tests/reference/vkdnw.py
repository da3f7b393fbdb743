"""VKDNW from the words of the specification, section 2.10, element by element; slow."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]


def jacobian(network: nn.Module, inputs: Tensor, names: list[str]) -> Array:
    """d logit_c / d (element 0 of the k-th tensor), each sample and logit by itself: (B, C, P)."""
    parameters = dict(network.named_parameters())
    chosen = [parameters[name] for name in names]
    samples = []
    for n in range(len(inputs)):
        logits = network(inputs[n : n + 1])[0]
        rows = []
        for logit in logits:
            gradients = torch.autograd.grad(logit, chosen, retain_graph=True, allow_unused=True)
            rows.append([0.0 if g is None else float(g.reshape(-1)[0]) for g in gradients])
        samples.append(rows)
    return np.array(samples)


def probabilities(logits: Array) -> Array:
    """Softmax of one sample's logits, smoothed with alpha = 0.05."""
    alpha = 0.05
    exponentials = np.exp(logits - logits.max())
    softmax = exponentials / exponentials.sum()
    return np.asarray((1 - alpha) * softmax + alpha / len(logits))


def cholesky(p: Array) -> Array:
    """The closed form: d_j = sqrt(p_j q_j / q_{j-1}), L_jj = d_j, L_ij = -(p_i / q_j) d_j."""
    classes = len(p)
    lower = np.zeros((classes, classes))
    for j in range(classes - 1):  # q_C := 0, so the last column is zero
        before = 1 - sum(p[:j])
        q = 1 - sum(p[: j + 1])
        d = math.sqrt(p[j] * q / before)
        lower[j, j] = d
        for i in range(j + 1, classes):
            lower[i, j] = -(p[i] / q) * d
    return lower


def fisher(logits: Array, jacobian: Array, *, exact: bool) -> Array:
    """F = mean_n A_n^T A_n with A_n = L_n J_n (public code) or L_n^T J_n (exact)."""
    count = jacobian.shape[2]
    total = np.zeros((count, count))
    for z, j in zip(logits, jacobian, strict=True):
        lower = cholesky(probabilities(z))
        a = (lower.T if exact else lower) @ j
        total += a.T @ a
    return total / len(logits)


def vkdnw(network: nn.Module, inputs: Tensor, *, exact: bool) -> tuple[int, float, list[float]]:
    """Number of parameter tensors, entropy and the nine deciles."""
    names = [name for name, _ in network.named_parameters()]
    with torch.no_grad():
        logits = np.array([network(x[None])[0].tolist() for x in inputs])
    f = fisher(logits, jacobian(network, inputs, names[:128]), exact=exact)
    eigenvalues = np.linalg.svd(f, compute_uv=False)
    deciles = [float(np.quantile(eigenvalues, k / 10, method="linear")) for k in range(1, 10)]
    total = sum(abs(q) for q in deciles) + 1e-10
    entropy = -sum(q / total * math.log(q / total + 1e-10) for q in deciles)
    return len(names), entropy, deciles
