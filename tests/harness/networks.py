"""Cells and networks that several tests use."""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn

from benchmarks.nasbench201.network import Network
from benchmarks.nasbench201.space import EDGES, OPS, Cell, NASBench201Space
from benchmarks.types import Batch

SPACE = NASBench201Space()
ALL_NONE = Cell(("none",) * 6)
ALL_SKIP = Cell(("skip_connect",) * 6)
#: Convolutions of both kinds, pooling, a skip and a missing edge.
MIXED = Cell(
    ("nor_conv_3x3", "avg_pool_3x3", "skip_connect", "nor_conv_1x1", "none", "nor_conv_3x3")
)
#: The best cell on CIFAR-10, index 13714: five convolutions, 246 parameter tensors.
LARGE = SPACE.parse("13714")


def random_cells(count: int, seed: int) -> list[Cell]:
    """Cells with every operation equally likely."""
    rng = random.Random(seed)
    return [Cell(tuple(rng.choice(OPS) for _ in EDGES)) for _ in range(count)]  # type: ignore[arg-type]


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """In double precision and eval mode, with no weight or running statistic of a special value."""
    generator = torch.Generator().manual_seed(seed)
    network = network.double().eval()
    with torch.no_grad():
        for module in network.modules():
            for name, p in module.named_parameters(recurse=False):
                if p.dim() > 1:
                    p.normal_(0, (2 / p[0].numel()) ** 0.5, generator=generator)
                elif name == "weight":
                    p.uniform_(0.5, 1.5, generator=generator)
                    p[::2] *= -1
                else:
                    p.normal_(0, 0.3, generator=generator)
            if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
                assert module.running_mean is not None
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
    return network


def network_of(cell: Cell, classes: int = 10, seed: int = 0) -> nn.Module:
    """A randomised network of the cell."""
    return randomised(Network(cell, classes), seed)


def noise(size: int, resolution: int = 8, seed: int = 0) -> Tensor:
    """Standard normal images in double precision."""
    generator = torch.Generator().manual_seed(seed)
    shape = (size, 3, resolution, resolution)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def batch_of(inputs: Tensor) -> Batch:
    """A batch of which the proxy under test reads the inputs alone."""
    return Batch(inputs, torch.zeros(len(inputs), dtype=torch.int64), "gaussian")


def state_of(network: nn.Module) -> dict[str, object]:
    """All that a borrower of a network could leave behind, comparable with ==."""
    state: dict[str, object] = {
        f"{name}, value": tensor.numpy().tobytes() for name, tensor in network.state_dict().items()
    }
    for name, p in network.named_parameters():
        state[f"{name}, autograd"] = (p.requires_grad, p.grad is None, p.dtype)
    for name, module in network.named_modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        state[f"{name}, module"] = (
            type(module),
            module.training,
            "forward" in vars(module),
            *map(len, hooks),
        )
    return state
