"""The scalars, and the fastest of the ways to their Jacobian that a network allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from harness.scoring.jacobian.backward import backward_passes
from harness.scoring.jacobian.folding import folded_batch_norms
from harness.scoring.jacobian.forward import forward_passes
from harness.scoring.jacobian.reference import scalar_jacobian_reference
from harness.scoring.jacobian.rules import has_rule


def scalar_parameters(network: nn.Module, limit: int | None = 128) -> list[str]:
    """Names of the first `limit` trainable parameter tensors in registration order (None: all).

    Those that a space freezes because no gradient reaches them say nothing about the network.
    """
    return [name for name, p in network.named_parameters() if p.requires_grad][:limit]


def scalar_jacobian(
    network: nn.Module,
    inputs: Tensor,
    names: Sequence[str],
    *,
    directions: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits, and their Jacobian by plain backward passes over the batch.

    Args:
        network: In eval mode, so that samples do not mix. Left as it was found.
        inputs: (B, ...) images.
        names: Parameter tensors; the scalar taken from each is its element at flat index 0.
        directions: Logits back-propagated in one pass. More of them replicate the batch:
            more arithmetic in the forward pass, fewer launches. Default: 1 on a CPU, where
            batching only enlarges the working set; on a GPU up to 16. Forwards: scalars pushed
            through at once, by default 8 and 16.

    Returns:
        Logits (B, C) and the Jacobian (B, C, len(names)), detached, in the network's dtype.
        A network with a parameter whose layer has no rule here goes through
        `scalar_jacobian_reference`.

    Raises:
        ValueError: The network is in train mode.
    """
    for module in network.modules():
        mixing = isinstance(module, nn.BatchNorm2d) and module.running_var is None
        if module.training or mixing:
            raise ValueError("the per-sample Jacobian needs eval mode and running statistics")
    wanted = _wanted(network, names)
    forwards = 0 < len(names) < _backward_count(network)
    ruled = all(has_rule(module) for module in wanted)
    if not (forwards or ruled) or _has_tied_parameters(network):
        return _by_reference(network, inputs, names)
    if directions is None:
        directions = (8 if forwards else 1) if inputs.device.type == "cpu" else 16
    images = inputs.detach()
    if images.dim() == 4:  # 1.6x on a CPU here, most of it in pooling
        images = images.contiguous(memory_format=torch.channels_last)
    with _frozen(network), folded_batch_norms(network) as fold, torch.enable_grad():
        arguments = network, images, wanted, fold, len(names), directions
        try:
            found = forward_passes(*arguments) if forwards else backward_passes(*arguments)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            # torch.func goes forwards through most layers, not all; a network may take views
            # that the memory format does not allow. What is broken breaks below as well.
            found = None
    return _by_reference(network, inputs, names) if found is None else found


def _backward_count(network: nn.Module) -> int:
    """How many backward passes it would take, if the last linear layer makes the logits."""
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return min(linears[-1].in_features, linears[-1].out_features) if linears else 0


def _by_reference(
    network: nn.Module, inputs: Tensor, names: Sequence[str]
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        logits: Tensor = network(inputs)
    return logits, scalar_jacobian_reference(network, inputs, names)


def _has_tied_parameters(network: nn.Module) -> bool:
    """Whether two modules share a parameter: the rules see one user of each."""
    owners = [
        (id(parameter), id(module))
        for module in set(network.modules())
        for parameter in module.parameters(recurse=False)
    ]
    return len({parameter for parameter, _ in owners}) < len(owners)


def _wanted(network: nn.Module, names: Sequence[str]) -> dict[nn.Module, dict[str, int]]:
    """Layer -> parameter attribute -> column of the Jacobian."""
    modules = dict(network.named_modules())
    wanted: dict[nn.Module, dict[str, int]] = {}
    for column, name in enumerate(names):
        path, _, attribute = name.rpartition(".")
        wanted.setdefault(modules[path], {})[attribute] = column
    return wanted


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """No parameter takes part in autograd; activations alone do."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
