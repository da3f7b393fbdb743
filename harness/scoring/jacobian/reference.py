"""The Jacobian by torch.func's vmap(jacrev), for any network."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def scalar_jacobian_reference(network: nn.Module, inputs: Tensor, names: Sequence[str]) -> Tensor:
    """Jacobian by torch.func, one sample at a time under vmap.

    Args:
        network: In eval mode.
        inputs: (B, ...) images.
        names: Parameter tensors; the scalar taken from each is its element at flat index 0.

    Returns:
        (B, C, len(names)): d logit / d scalar.
    """
    # functional_call does not put the parameters of a module that is shared back as they were.
    network = copy.deepcopy(network)
    tensors = {name: p.detach() for name, p in network.named_parameters()}
    buffers = {name: b.detach() for name, b in network.named_buffers()}
    scalars = torch.stack([tensors[name].flatten()[0] for name in names])

    def logits(scalars: Tensor, image: Tensor) -> Tensor:
        replaced = dict(tensors)
        for k, name in enumerate(names):
            rest = tensors[name].flatten()[1:]
            replaced[name] = torch.cat([scalars[k : k + 1], rest]).reshape(tensors[name].shape)
        out: Tensor = torch.func.functional_call(network, (replaced, buffers), (image[None],))
        return out[0]

    jacobian = torch.func.vmap(torch.func.jacrev(logits), in_dims=(None, 0))
    result: Tensor = jacobian(scalars, inputs)
    return result
