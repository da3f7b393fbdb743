"""Optimisers of the protocols, by timm."""

from __future__ import annotations

from timm.optim import create_optimizer_v2
from torch import nn
from torch.optim import Optimizer

from benchmarks.errors import InputError
from harness.training.recipe.protocol import Protocol
from harness.training.recipe.rates import scale


def optimiser(network: nn.Module, protocol: Protocol, gpus: int) -> Optimizer:
    """The protocol's optimiser of a network's trainable parameters, at the peak rate.

    Raises:
        InputError: There is no such optimiser.
    """
    settings = protocol.optimiser
    if settings.decayed not in ("all", "matrices"):
        raise InputError(f"{protocol.name}: decayed {settings.decayed!r} is not all or matrices")
    more = {} if settings.eps is None else {"eps": settings.eps}
    try:
        made: Optimizer = create_optimizer_v2(
            network,
            opt=settings.name,
            lr=protocol.rate.peak * scale(protocol, gpus),
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
            filter_bias_and_bn=settings.decayed == "matrices",
            **more,
        )
    except (ValueError, AssertionError) as error:
        raise InputError(f"{protocol.name}: timm has no optimiser {settings.name!r}") from error
    return made
