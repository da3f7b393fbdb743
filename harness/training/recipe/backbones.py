"""The architecture's own network as a protocol trains it, and as heads stand on it."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from benchmarks.errors import InputError
from benchmarks.types import HasDropPath, HasSqueezeExcitation
from harness.inspect.describe import Description
from harness.training.recipe.protocol import Protocol
from harness.training.types import Staged

STRIDES = (4, 8, 16, 32)


def network(described: Description, protocol: Protocol) -> nn.Module:
    """The network of an architecture, with the drop path and squeeze-and-excitation of a protocol.

    What the space does not have is left out; `notes` says so.

    Args:
        described: The architecture; its dataset fixes resolution and classes.
        protocol: See there.

    Returns:
        The whole network with its classifier; weights drawn from the global generator.

    Raises:
        InputError: The space has no such dataset, or the architecture does not fit it.
    """
    space, settings = described.benchmark.space, protocol.network
    se = has_se(described, protocol)
    if settings.drop_path and isinstance(space, HasDropPath):
        return space.network_with(
            described.architecture, described.dataset, drop_path=settings.drop_path, se=se
        )
    if se:
        assert isinstance(space, HasSqueezeExcitation)
        return space.network_with_se(described.architecture, described.dataset)
    return space.network(described.architecture, described.dataset)


def usual(described: Description, trained: str | None = None) -> Description:
    """The architecture at a dataset that it was trained for, or else at its space's first one.

    That of its file is none: a search scores small images.

    Raises:
        InputError: The space has no such dataset.
    """
    space = described.benchmark.space
    return replace(described, dataset=space.dataset(trained or next(iter(space.datasets))).name)


def has_se(described: Description, protocol: Protocol) -> bool:
    """Whether the network has squeeze-and-excitation: protocol or description ask for it, and the
    space has it."""
    space = described.benchmark.space
    return isinstance(space, HasSqueezeExcitation) and (protocol.network.se or described.se)


def notes(described: Description, protocol: Protocol) -> list[str]:
    """What `network` leaves out of a protocol, in words."""
    space, settings = described.benchmark.space, protocol.network
    name, found = described.benchmark.name, []
    if settings.drop_path and not isinstance(space, HasDropPath):
        found.append(f"no drop path ({settings.drop_path:g} in the protocol): {name} has none")
    if settings.se and not isinstance(space, HasSqueezeExcitation):
        found.append(f"no squeeze-and-excitation: {name} has none but what an architecture holds")
    return found


def backbone(described: Description, protocol: Protocol) -> nn.Module:
    """The network of an architecture for a task whose head stands on its four stages.

    Classifier, last norm and whatever else the stages do without are taken out: they would count
    as parameters that no gradient reaches. Images may be of any height and width that are
    multiples of 32.

    Args:
        described: The architecture; the resolution of its dataset is that at which tables of
            relative positions are kept, which other sizes interpolate.
        protocol: See there.

    Returns:
        A `harness.training.types.Staged`; weights drawn from the global generator.

    Raises:
        InputError: The architecture has no stages at strides 4, 8, 16 and 32.
    """
    made, name = network(described, protocol), described.benchmark.name
    if not isinstance(made, Staged):
        raise InputError(
            f"{protocol.task} needs maps at strides 4, 8, 16 and 32, and networks of {name} have "
            "none such (cells of NAS-Bench stand at 1, 2 and 4); use an architecture of a staged "
            "space, such as uninas or mobilenetv2"
        )
    if len(made.stage_channels) != len(STRIDES):
        raise InputError(
            f"{protocol.task} needs maps at strides 4, 8, 16 and 32, and this architecture of "
            f"{name} has {len(made.stage_channels)} of them; use one with four stages"
        )
    for part in getattr(made, "beyond_stages", ()):
        made.set_submodule(part, nn.Identity())
    return made
