"""Number of parameters, the baseline that every proxy has to beat."""

from __future__ import annotations

from benchmarks.types import Costs
from harness.proxies._registry import register_proxy


@register_proxy("params", paper="baseline", needs="costs", init="none", input="none")
def params(costs: Costs) -> float:
    """Trainable parameters.

    Args:
        costs: Closed-form size of the architecture.

    Returns:
        The count; larger networks rank higher.
    """
    return float(costs.params)
