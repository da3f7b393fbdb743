"""Number of trainable layers (aleph of the VKDNW paper)."""

from __future__ import annotations

from benchmarks.types import Costs
from harness.proxies._registry import register_proxy


@register_proxy(
    "layers",
    paper="arXiv:2502.04975",
    needs="costs",
    init="none",
    input="none",
    aliases=("aleph", "vkdnw_dim"),
)
def layers(costs: Costs) -> float:
    """Trainable parameter tensors, the paper's count of layers.

    The paper speaks of layers with trainable weights; its code counts parameter tensors
    (convolution weight, batch-norm weight and bias, linear weight and bias each count one).
    On NAS-Bench-201 both rank alike; this is the code's count, as `vkdnw` uses it.

    Args:
        costs: Closed-form size of the architecture.

    Returns:
        The count; deeper networks rank higher.
    """
    return float(costs.layers)
