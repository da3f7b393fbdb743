"""Multiply-accumulates of a network, counted while it runs."""

from __future__ import annotations

from torch import Tensor, nn


def macs(network: nn.Module, image: Tensor) -> int:
    """Multiply-accumulates of all convolutions and linear layers (with bias) for one image.

    Args:
        network: Any network.
        image: One image, (1, 3, R, R).
    """
    counts: list[int] = []

    def convolution(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        counts.append(output.numel() * (module.weight[0].numel() + (module.bias is not None)))

    def linear(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, nn.Linear)
        counts.append(output.numel() * (module.in_features + 1))

    hooks = {nn.Conv2d: convolution, nn.Linear: linear}
    handles = [
        module.register_forward_hook(hooks[type(module)])
        for module in network.modules()
        if type(module) in hooks
    ]
    network(image)
    for handle in handles:
        handle.remove()
    return sum(counts)
