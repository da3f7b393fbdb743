"""Drawing the weights of an untrained network, from a seed of its own."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.types import derive_seed
from harness.proxies import Proxy


def initialise(network: nn.Module, scheme: str, seed: int) -> None:
    """Redraw all weights in place; the global random state is left alone.

    Args:
        network: On the CPU, so that the weights do not depend on the device.
        scheme: "kaiming": convolution and linear weights N(0, 2 / fan_in), biases 0;
            "gaussian": the same weights N(0, 1); "default": as PyTorch's modules reset
            themselves. Batch norms get weight 1, bias 0 and fresh running statistics; all
            other modules with parameters reset themselves (layer norms to 1 and 0).
        seed: Of this network's own generator.

    Raises:
        ValueError: The scheme is unknown.
    """
    if scheme not in ("kaiming", "gaussian", "default"):
        raise ValueError(f"unknown initialisation {scheme!r}")
    if scheme == "default":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for module in network.modules():
                reset = getattr(module, "reset_parameters", None)
                if reset is not None:
                    reset()
        return
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                deviation = math.sqrt(2 / fan_in) if scheme == "kaiming" else 1.0
                module.weight.normal_(0, deviation, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.reset_parameters()
            elif module._parameters and hasattr(module, "reset_parameters"):
                again: Callable[[], None] = getattr(module, "reset_parameters")  # noqa: B009
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
                    again()


def weight_seed(benchmark: str, dataset: str, arch: str, seed: int, proxy: Proxy) -> int:
    """Seed of the weights: from the record's key without proxy and batch, so that proxies
    of one initialisation see the same network."""
    return derive_seed("weights", benchmark, dataset, arch, seed, proxy.init)
