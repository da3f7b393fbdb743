"""Zen-score: expressivity of a network under small changes of its input."""

from __future__ import annotations

import math

import torch
from torch import nn

from benchmarks.types import Batch
from harness.proxies._registry import register_proxy
from harness.scoring.passes import Staged, statistics_restored

_STEP = 0.01
_MOMENTUM = 0.1


@register_proxy(
    "zen", paper="arXiv:2102.01063", init="gaussian", asks=("stages",), aliases=("zen_score",)
)
def zen(network: nn.Module, batch: Batch) -> float:
    """log of the change of the last map, plus the log-deviations that batch norms took away.

    With phi the map before pooling, x and e standard normal, D = mean_i sum |phi(x_i) -
    phi(x_i + 0.01 e_i)|, and the score is log D + sum over batch norms of
    log sqrt(mean over channels of the running variance) (Lin et al., "Zen-NAS", ICCV 2021,
    eq. 5 and algorithm 1). Weights N(0, 1), train mode. Higher is better.

    This is the port in the AZ-NAS and VKDNW code, whose weak row is in their tables: the L1
    distance instead of the paper's Frobenius norm, running variances (after two passes
    0.81 + 0.09 v1 + 0.1 v2, whatever momentum the network trains with) instead of the batch's, one
    repetition instead of 32, and batch norms kept in place. There the running statistics had
    been moved by other proxies before.

    Args:
        network: In train mode, with `pre_gap`.
        batch: inputs (B, 3, R, R), noise.

    Returns:
        The score; -inf where nothing changes, as for a disconnected output.

    Raises:
        ValueError: The network has no `pre_gap`.
    """
    if not isinstance(network, Staged):
        raise ValueError("zen needs a network with features(x), pre_gap(x) and head(x)")
    noise = batch.noise("perturbation")
    with torch.no_grad(), statistics_restored(network, _MOMENTUM):
        near = network.pre_gap(batch.inputs)
        far = network.pre_gap(batch.inputs + _STEP * noise)
        change = float((near - far).double().abs().sum()) / len(batch.inputs)
        variances = [
            float(module.running_var.double().mean())
            for module in network.modules()
            if isinstance(module, nn.BatchNorm2d) and module.running_var is not None
        ]
    if change == 0:
        return -math.inf
    return math.log(change) + sum(math.log(variance) / 2 for variance in variances)
