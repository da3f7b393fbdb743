"""The network of an architecture with what a recipe changes in it: norms, weights, classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol as Capability
from typing import runtime_checkable

from torch import nn

from benchmarks.errors import InputError
from benchmarks.types import HasSizedDataset
from harness.inspect.describe import Description
from harness.training.recipe import backbones
from harness.training.recipe.protocol import Protocol

_INITS = ("space", "kaiming_zero")


@runtime_checkable
class ResidualUnits(Capability):
    """A network of residual units that end in a batch norm."""

    def last_norms(self) -> list[nn.BatchNorm2d]:
        """The last norm of the residual branch of every unit, in order."""
        ...


def classifier(described: Description, protocol: Protocol, classes: int) -> nn.Module:
    """The network of an architecture as a protocol trains it on labelled images.

    Args:
        described: The architecture; it is built for the protocol's resolution.
        protocol: Its `network` says what is changed; what the space does not have is left out
            (`backbones.notes`).
        classes: Number of logits, whatever the dataset says.

    Returns:
        Images (B, 3, H, W) to logits (B, classes); weights drawn from the global generator.

    Raises:
        InputError: The head of the network is no linear layer, or the protocol has a word that
            there is not.
    """
    network = backbones.network(sized(described, protocol, classes), protocol)
    _set_classes(network, classes, described.benchmark.name)
    return modified(network, protocol)


def sized(described: Description, protocol: Protocol, classes: int) -> Description:
    """The architecture at the protocol's resolution, where its space can be built for any."""
    space = described.benchmark.space
    if not isinstance(space, HasSizedDataset):
        return described
    return replace(described, dataset=space.sized_dataset(min(protocol.resolution), classes))


def modified(network: nn.Module, protocol: Protocol) -> nn.Module:
    """A network, changed in place, with a protocol's batch norms and initial weights.

    "kaiming_zero": weights of convolutions and linear layers N(0, 2 / fan-in) (arXiv:1502.01852),
    biases 0; norms 1 and 0, but the last norm of every residual unit 0, so that each unit begins as
    its shortcut (arXiv:1706.02677, section 5.1), of networks that are `ResidualUnits`.

    Raises:
        InputError: There is no such initialisation.
    """
    settings = protocol.network
    if settings.init not in _INITS:
        raise InputError(f"{protocol.name}: init {settings.init!r} is none of {', '.join(_INITS)}")
    if settings.norm_momentum is not None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = settings.norm_momentum
    if settings.init == "kaiming_zero":
        _initialise(network)
    return network


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    if isinstance(network, ResidualUnits):
        for norm in network.last_norms():
            nn.init.zeros_(norm.weight)


def _set_classes(network: nn.Module, classes: int, space: str) -> None:
    head = getattr(network, "classifier", None)
    if not isinstance(head, nn.Linear):
        raise InputError(
            f"networks of {space} have no linear classifier, so none for {classes} classes"
        )
    if head.out_features != classes:
        network.classifier = nn.Linear(head.in_features, classes, head.bias is not None)
