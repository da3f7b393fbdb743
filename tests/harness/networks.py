"""Cells and networks that several tests use."""

from __future__ import annotations

import random
from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.nasbench201.architecture import EDGES, OPS, Cell
from benchmarks.nasbench201.network import Network
from benchmarks.nasbench201.space import NASBench201Space
from benchmarks.types import Batch
from harness.scoring.initialise import initialise

Padding = Literal["zeros", "circular"]

SPACE = NASBench201Space()
ALL_NONE = Cell(("none",) * 6)
ALL_SKIP = Cell(("skip_connect",) * 6)
#: The output is the input itself.
IDENTITY = Cell(("none", "none", "none", "skip_connect", "none", "none"))
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


class Odd(nn.Module):
    """Layers that are shared, grouped, strided, dilated, frozen or never called."""

    def __init__(self, padding_mode: Padding) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=(1, 0), padding_mode=padding_mode)
        self.norm = nn.BatchNorm2d(8, affine=False)
        self.frozen = nn.BatchNorm2d(8)
        self.shared = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False)
        self.strided = nn.Conv2d(8, 6, (3, 2), stride=(2, 1))
        self.relu = nn.ReLU()
        self.unused = nn.Conv2d(2, 2, 1)
        self.linear = nn.Linear(6, 6)
        self.classifier = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = self.relu(self.frozen(self.shared(self.shared(x)) + x))
        x = self.strided(x).mean((2, 3))
        logits: Tensor = self.classifier(self.relu(self.linear(x)))
        return logits


def odd(padding_mode: Padding = "zeros", seed: int = 0) -> nn.Module:
    """A randomised network of unusual layers, in train mode but for one batch norm."""
    network = randomised(Odd(padding_mode), seed).train()
    network.get_submodule("frozen").eval()
    return network


def fresh(cell: Cell, classes: int = 10, scheme: str = "kaiming", seed: int = 0) -> nn.Module:
    """A network as the engine hands it over in train mode, but in double precision."""
    network = Network(cell, classes)
    initialise(network, scheme, seed)
    return network.double().train()


def noise(size: int, resolution: int = 8, seed: int = 0) -> Tensor:
    """Standard normal images in double precision."""
    generator = torch.Generator().manual_seed(seed)
    shape = (size, 3, resolution, resolution)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def batch_of(inputs: Tensor) -> Batch:
    """A batch of which the proxy under test reads the inputs alone."""
    return Batch(inputs, torch.zeros(len(inputs), dtype=torch.int64), "gaussian")


def labelled(inputs: Tensor, classes: int = 10, seed: int = 0) -> Batch:
    """A batch with random targets."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, classes, (len(inputs),), generator=generator)
    return Batch(inputs, targets, "gaussian", seed)


def with_targets(inputs: Tensor, targets: list[int], seed: int = 0) -> Batch:
    """A batch with the given targets."""
    return Batch(inputs, torch.tensor(targets), "gaussian", seed)


def linear(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    """A linear layer with the given numbers, in double precision."""
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer


def state_of(network: nn.Module) -> dict[str, object]:
    """All that a borrower of a network could leave behind, comparable with ==."""
    state: dict[str, object] = {
        f"{name}, value": tensor.numpy().tobytes() for name, tensor in network.state_dict().items()
    }
    for name, p in network.named_parameters():
        gradient = None if p.grad is None else p.grad.numpy().tobytes()
        state[f"{name}, autograd"] = (p.requires_grad, gradient, p.dtype)
    for name, module in network.named_modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        state[f"{name}, module"] = (
            type(module),
            module.training,
            "forward" in vars(module),
            getattr(module, "track_running_stats", None),
            *map(len, hooks),
        )
    return state
