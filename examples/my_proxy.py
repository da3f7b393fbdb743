"""Two proxies of one's own: harness eval log_grad my_snip --proxy-file examples/my_proxy.py"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.types import Batch
from harness.proxies import register_proxy
from harness.scoring.adapters import from_measure


@register_proxy("log_grad", paper="an example", init="kaiming", mode="train", input="gaussian")
def log_grad(network: nn.Module, batch: Batch) -> float:
    """Sum over convolutions of log ||gradient of the loss|| (an example).

    Higher is better. Convolutions that the loss does not reach do not count; -inf where it
    reaches none.
    """
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    loss = nn.functional.cross_entropy(network(batch.inputs), batch.targets)
    # autograd.grad, not backward: no gradient is left on the network.
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    norms = [float(gradient.norm()) for gradient in gradients if gradient is not None]
    return sum(math.log(norm) for norm in norms if norm > 0) if any(norms) else -math.inf


def snip(
    net: nn.Module, inputs: Tensor, targets: Tensor, loss_fn: Callable[[Tensor, Tensor], Tensor]
) -> list[Tensor]:
    """|weight * gradient| by layer, in the form of zero-cost-nas."""
    net.zero_grad()
    loss_fn(net(inputs), targets).backward()
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return [(m.weight * m.weight.grad).abs() for m in layers if m.weight.grad is not None]


register_proxy("my_snip", paper="arXiv:1810.02340")(from_measure(snip))
