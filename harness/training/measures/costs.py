"""Parameters and FLOPs of whole networks, counted on what they compute.

FLOPs are two for a multiply-accumulate, of convolutions, linear layers and matrix products, the
attention's among them, for one image; neither norms, activations, pooling nor interpolation count.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from harness.training.types import Staged


@dataclass(frozen=True)
class Counted:
    """Size of a network.

    Attributes:
        params: Parameters, the frozen ones too.
        trainable: Those that are trained.
        flops: As the module says.
    """

    params: int
    trainable: int
    flops: int


def counted(
    network: nn.Module,
    inputs: tuple[Any, ...],
    forward: Callable[..., Any] | None = None,
    *,
    device: str = "meta",
) -> Counted:
    """Count a network in eval mode on some inputs; it is left as it was.

    Args:
        network: On any device.
        inputs: What it takes.
        forward: What of it is computed, a function of the network and its inputs; default: the
            network itself. Parameters that it does not use count all the same.
        device: Where it is computed. On "meta" nothing is, so that size costs nothing; networks
            whose way depends on values must be counted on "cpu".
    """
    parameters = list(network.parameters())
    params = sum(p.numel() for p in parameters)
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    moved = copy.deepcopy(network).to(device).eval()
    given = tuple(each.to(device) if isinstance(each, Tensor) else each for each in inputs)
    # Fused attention on a CPU is not counted; as matrix products it is.
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        if forward is None:
            moved(*given)
        else:
            forward(moved, *given)
    return Counted(params, trainable, counter.get_total_flops())


def stages(backbone: nn.Module, size: tuple[int, int]) -> Counted:
    """Count a `Staged` network alone, up to its last map, on one image (height, width)."""

    def forward(network: nn.Module, images: Tensor) -> list[Tensor]:
        assert isinstance(network, Staged)
        return network.stages(images)

    return counted(backbone, (torch.empty(1, 3, *size, device="meta"),), forward)


def figures(alone: Counted, whole: Counted) -> dict[str, float]:
    """What `harness.training.types.Task.costs` gives, of the backbone and of the whole network."""
    return {
        "params": alone.params,
        "flops": alone.flops,
        "params_with_head": whole.params,
        "flops_with_head": whole.flops,
    }
