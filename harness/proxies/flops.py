"""Multiply-accumulates of one image, the other size baseline."""

from __future__ import annotations

from benchmarks.types import Costs
from harness.proxies._registry import register_proxy


@register_proxy("flops", paper="baseline", needs="costs", init="none", input="none")
def flops(costs: Costs) -> float:
    """Multiply-accumulates of convolutions and linear layers.

    Args:
        costs: Closed-form size of the architecture.

    Returns:
        The count for one image (the papers call it FLOPs); larger networks rank higher.
    """
    return float(costs.flops)
