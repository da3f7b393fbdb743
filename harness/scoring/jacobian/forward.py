"""The Jacobian forwards, where that takes fewer passes: a scalar perturbs channel 0 of its
layer's output alone, and what this does to the logits is pushed through the rest of the network,
several scalars at once. Layers without a rule have their parameter itself perturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.scoring.jacobian.folding import Fold
from harness.scoring.jacobian.rules import Call, channel0, factor_of, has_rule

#: Layer, attribute, column of the Jacobian.
_Scalar = tuple[nn.Module, str, int]
#: Pixels of input that are perturbed at once on a CPU, in all directions together.
_PIXELS = 8 * 32 * 64 * 64


def forward_passes(
    network: nn.Module,
    inputs: Tensor,
    wanted: dict[nn.Module, dict[str, int]],
    fold: Fold,
    columns: int,
    directions: int,
) -> tuple[Tensor, Tensor] | None:
    """As `backward_passes`, by forward-mode differentiation."""
    folded: dict[nn.Module, nn.Module] = {bn: conv for conv, bn in fold.pairs.items()}
    # Scalars in the order in which their layers are called: those of one pass are neighbours,
    # and what comes before the first of them is computed without any perturbation.
    order: dict[nn.Module, int] = {}

    def note(module: nn.Module, read: tuple[Tensor, ...]) -> None:
        order.setdefault(module, len(order))

    users = {folded.get(layer, layer) for layer in wanted}
    handles = [module.register_forward_pre_hook(note) for module in users]
    try:
        with torch.no_grad():
            logits = network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    if len(order) < len(users):
        return None
    if any(fold.calls[conv] != fold.calls[bn] for conv, bn in fold.pairs.items()):
        return None

    def position(layer: nn.Module) -> int:
        return order[folded.get(layer, layer)]

    scalars = [
        (layer, attribute, column)
        for layer in sorted(wanted, key=position)
        for attribute, column in wanted[layer].items()
    ]
    # Samples do not mix: a few at a time keep the perturbed maps small.
    pixels = inputs[0, :1].numel() * directions
    most = _PIXELS * (1 if inputs.device.type == "cpu" else 16)
    jacobian = [
        _pushed_forward(network, part, scalars, columns, directions, folded, fold)
        for part in inputs.split(max(1, most // pixels))
    ]
    return logits, torch.cat(jacobian)


def _pushed_forward(
    network: nn.Module,
    inputs: Tensor,
    scalars: Sequence[_Scalar],
    columns: int,
    directions: int,
    folded: dict[nn.Module, nn.Module],
    fold: Fold,
) -> Tensor:
    """The Jacobian (B, C, columns), `directions` scalars at a time."""
    jacobian: Tensor | None = None
    for start in range(0, len(scalars), directions):
        chosen = scalars[start : start + directions]
        amounts = inputs.new_zeros(len(chosen))

        def perturbed(amounts: Tensor, chosen: Sequence[_Scalar] = chosen) -> Tensor:
            with _perturbed(chosen, amounts, folded, fold):
                out: Tensor = network(inputs)
            return out

        def derivative(
            direction: Tensor,
            amounts: Tensor = amounts,
            function: Callable[[Tensor], Tensor] = perturbed,
        ) -> Tensor:
            found: Tensor = torch.func.jvp(function, (amounts,), (direction,))[1]
            return found

        found = torch.func.vmap(derivative)(torch.eye(len(chosen)).to(amounts))
        if jacobian is None:
            jacobian = found.new_zeros(*found.shape[1:], columns)
        for each, (_, _, column) in zip(found, chosen, strict=True):
            jacobian[:, :, column] = each
    assert jacobian is not None  # `forward_passes` is called with a scalar at least
    return jacobian


@contextmanager
def _perturbed(
    scalars: Sequence[_Scalar],
    amounts: Tensor,
    folded: dict[nn.Module, nn.Module],
    fold: Fold,
) -> Iterator[None]:
    """Within, each scalar (layer, attribute) is greater by its amount.

    With a rule, channel 0 of what the layer gives is changed, as it is linear in the scalar;
    without, the parameter is.
    """
    handles, shadowed = [], []
    for (layer, attribute, _), amount in zip(scalars, amounts.unbind(), strict=True):
        if not has_rule(layer):
            parameter = getattr(layer, attribute)
            first = torch.zeros_like(parameter).flatten()
            first[0] = 1
            vars(layer)[attribute] = parameter + amount * first.view_as(parameter)
            shadowed.append((layer, attribute))
            continue

        def change(
            caller: nn.Module,
            read: tuple[Tensor, ...],
            given: Tensor,
            layer: nn.Module = layer,
            attribute: str = attribute,
            amount: Tensor = amount,
        ) -> Tensor:
            bn = fold.pairs.get(caller)
            call = Call(caller, channel0(caller, read[0]), channel0(caller, given))
            factor = factor_of(call, layer, attribute, bn).view_as(call.y)
            axis = -1 if isinstance(caller, nn.Linear) else 1
            shape = [1] * given.dim()
            shape[axis] = given.shape[axis]
            first = F.one_hot(torch.zeros((), dtype=torch.long), given.shape[axis])
            return given + (amount * factor).unsqueeze(axis) * first.to(given).view(shape)

        handles.append(folded.get(layer, layer).register_forward_hook(change))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer, attribute in shadowed:
            vars(layer).pop(attribute)
