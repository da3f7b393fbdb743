"""The Jacobian by one backward pass a logit for the whole batch.

In eval mode the samples do not mix, so the gradient of sum_n logit_{n,c} with respect to a
layer's output holds every sample's own gradient. The derivative with respect to one weight is
then a sum over pixels of that output gradient and a shifted slice of the layer's input; no weight
gradient is ever formed. Logits that are a linear layer of d < C features need d passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness.scoring.jacobian.folding import Fold
from harness.scoring.jacobian.rules import Call, channel0, factor_of


@dataclass
class _Recording:
    """What the forward pass left behind.

    Attributes:
        calls: Calls of the observed layers, in order.
        leaves: Outputs that nothing upstream makes differentiable; the backward passes end here.
        linears: Inputs and outputs of all linear layers: one may make the logits.
    """

    calls: list[Call] = field(default_factory=list)
    leaves: list[Tensor] = field(default_factory=list)
    linears: list[tuple[Call, Tensor, Tensor]] = field(default_factory=list)


def backward_passes(
    network: nn.Module,
    inputs: Tensor,
    wanted: dict[nn.Module, dict[str, int]],
    fold: Fold,
    columns: int,
    directions: int,
) -> tuple[Tensor, Tensor] | None:
    """Logits and Jacobian; None where a wanted layer's parameters are used without calling it."""
    # A folded batch norm is computed, and so observed, by its convolution.
    folds = fold.pairs
    folded: dict[nn.Module, nn.Module] = {bn: conv for conv, bn in folds.items()}
    observed: set[nn.Module] = {folded.get(layer, layer) for layer in wanted}
    observed |= {module for module in network.modules() if isinstance(module, nn.Linear)}
    with _recorded(observed) as recording:
        logits = network(torch.cat([inputs] * directions))
    called = {call.layer for call in recording.calls}
    if any(folded.get(layer, layer) not in called for layer in wanted):
        return None
    if any(fold.calls[conv] != fold.calls[bn] for conv, bn in folds.items()):
        return None  # a convolution read without its batch norm was folded all the same
    batch, classes = len(inputs), logits.shape[1]

    # Logits that a linear layer makes of fewer features: propagate the features instead.
    head, features = None, logits
    for call, read, given in recording.linears:
        if given is logits and read.dim() == 2:
            head, features = call, read
    outputs = features if features.shape[1] < classes else logits
    calls = [call for call in recording.calls if call is not head]
    _propagate(outputs, recording.leaves, batch, directions)

    jacobian = inputs.new_zeros(batch, outputs.shape[1], columns)
    for call in calls:
        if not call.gradients:  # the outputs do not depend on it
            continue
        # (D, B, P): direction, sample, pixel.
        gradient = torch.cat(call.gradients).unflatten(0, (-1, batch))[: outputs.shape[1]]
        bn = folds.get(call.layer)
        for layer in (call.layer,) if bn is None else (call.layer, bn):
            for attribute, column in wanted.get(layer, {}).items():
                factor = factor_of(call, layer, attribute, bn)[:batch]
                jacobian[:, :, column] += torch.einsum("dbp,bp->bd", gradient, factor)
    if outputs is not logits and head is not None:
        jacobian = torch.einsum("cd,bdk->bck", head.layer.weight, jacobian)
    if head is not None:
        for attribute, column in wanted.get(head.layer, {}).items():
            # Scalar 0 of the classifier moves logit 0 alone.
            jacobian[:, 0, column] += head.x[:batch] if attribute == "weight" else 1.0
    return logits[:batch].detach(), jacobian.detach()


def _propagate(outputs: Tensor, leaves: list[Tensor], batch: int, directions: int) -> None:
    """Back-propagate every output on its own; the hooks collect the gradients.

    Args:
        outputs: (K * B, D), the batch replicated K = `directions` times.
        leaves: Where the passes end.
        batch: B.
        directions: K, outputs propagated in one pass.
    """
    if not outputs.requires_grad or not leaves:
        return
    count = outputs.shape[1]
    for start in range(0, count, directions):
        seeds = torch.zeros_like(outputs)
        for k, direction in enumerate(range(start, min(start + directions, count))):
            seeds[k * batch : (k + 1) * batch, direction] = 1.0
        torch.autograd.grad(outputs, leaves, seeds, retain_graph=True, allow_unused=True)


@contextmanager
def _recorded(layers: set[nn.Module]) -> Iterator[_Recording]:
    """Observe the calls of the layers. An output that nothing upstream makes differentiable
    is replaced by a leaf."""
    recording = _Recording()

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not output.requires_grad:
            leaf = output.detach().requires_grad_()
            recording.leaves.append(leaf)
            output = leaf.clone()  # what follows may write in place
        call = Call(layer, channel0(layer, inputs[0]), channel0(layer, output))
        output.register_hook(call.collect)
        recording.calls.append(call)
        if isinstance(layer, nn.Linear):
            recording.linears.append((call, inputs[0], output))
        return output

    handles = [layer.register_forward_hook(record) for layer in layers]
    try:
        yield recording
    finally:
        for handle in handles:
            handle.remove()
