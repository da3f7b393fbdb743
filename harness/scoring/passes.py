"""Forward and backward passes over (network, batch) that several proxies need.

Plain functions: a proxy calls what it needs and knows of no other. Inside `sharing()`, which
the engine opens around all proxies of one network, a pass is computed once and handed to
everybody who asks; outside it is computed on every call. The values are the same either way,
since no pass leaves a trace on the network: gradients are returned, not accumulated, and batch
norms in train mode do not move their running statistics.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.types import Batch
from harness.scoring.jacobian import scalar_jacobian, scalar_parameters

T = TypeVar("T")


@dataclass
class Sharing:
    """What has been computed for one group of proxies.

    Attributes:
        passes: (function, network, batch) by identity -> (value, seconds it took).
        credit: Seconds that passes found here would have cost since the last `take_credit`.
    """

    passes: dict[tuple[str, int, int], tuple[Any, float]] = field(default_factory=dict)
    credit: float = 0.0
    _kept: list[object] = field(default_factory=list)

    def take_credit(self) -> float:
        """Seconds saved since the last call: with them a proxy's time is that of it alone."""
        credit, self.credit = self.credit, 0.0
        return credit

    def clear(self) -> None:
        """Forget all passes, as when a network has been changed."""
        self.passes.clear()
        self._kept.clear()


_sharing: ContextVar[Sharing | None] = ContextVar("sharing", default=None)


@contextmanager
def apart() -> Iterator[None]:
    """Within, nothing is shared: for a pass that nobody else will ask for."""
    token = _sharing.set(None)
    try:
        yield
    finally:
        _sharing.reset(token)


@contextmanager
def sharing() -> Iterator[Sharing]:
    """Within, every pass over the same network and batch objects is computed once."""
    token = _sharing.set(Sharing())
    active = _sharing.get()
    assert active is not None
    try:
        yield active
    finally:
        active.clear()
        _sharing.reset(token)


def _shared(function: Callable[[nn.Module, Batch], T]) -> Callable[[nn.Module, Batch], T]:
    @functools.wraps(function)
    @torch.enable_grad()
    def compute_once(network: nn.Module, batch: Batch) -> T:
        active = _sharing.get()
        if active is None:
            return function(network, batch)
        key = (function.__name__, id(network), id(batch))
        if key not in active.passes:
            started, before = time.perf_counter(), active.credit
            value = function(network, batch)
            # What this pass itself found here belongs to what it costs alone.
            seconds = time.perf_counter() - started + active.credit - before
            active.passes[key] = value, seconds
            active._kept += [network, batch]  # an id is unique while its object lives
            return value
        value, seconds = active.passes[key]
        active.credit += seconds
        found: T = value
        return found

    return compute_once


# ------------------------------------------------------------------ the passes


@runtime_checkable
class Staged(Protocol):
    """A network whose blocks can be looked between; the spaces' networks all are."""

    def features(self, x: Tensor) -> list[Tensor]:
        """Outputs of the stem and of every block, in order."""
        ...

    def pre_gap(self, x: Tensor) -> Tensor:
        """The last map before pooling."""
        ...

    def head(self, x: Tensor) -> Tensor:
        """Logits of the last of the features."""
        ...


@dataclass(frozen=True)
class Forward:
    """One forward pass, its graph alive.

    Attributes:
        inputs: The images, (B, 3, R, R), a leaf of the graph.
        features: Outputs of the stem and of every block, each (B, C, H, W); empty where the
            network has no `features`.
        logits: (B, C).
        layers: Convolutions and linear layers with what they gave, in order of their calls.
        rectified: What every ReLU gave, in order.
    """

    inputs: Tensor
    features: list[Tensor]
    logits: Tensor
    layers: list[tuple[nn.Module, Tensor]]
    rectified: list[Tensor]


@_shared
def forward(network: nn.Module, batch: Batch) -> Forward:
    """The batch through the network, with everything that is differentiable recorded.

    Args:
        network: In the mode the proxy wants. One with `features(x)` and `head(x)` is run
            through these; any other is called, and gives no features.
        batch: inputs (B, 3, R, R).
    """
    layers: list[tuple[nn.Module, Tensor]] = []
    rectified: list[Tensor] = []

    def record(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.ReLU):
            rectified.append(output)
        else:
            layers.append((module, output))

    observed = [m for m in network.modules() if isinstance(m, nn.ReLU | nn.Conv2d | nn.Linear)]
    handles = [module.register_forward_hook(record) for module in observed]
    leaf = batch.inputs.detach().requires_grad_()
    images = leaf.clone()  # a network may begin with an in-place layer
    try:
        with statistics_held(network):
            if isinstance(network, Staged):
                features = network.features(images)
                logits = network.head(features[-1])
            else:
                features, logits = [], network(images)
    finally:
        for handle in handles:
            handle.remove()
    return Forward(leaf, features, logits, layers, rectified)


@_shared
def loss_gradients(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Gradients of the mean cross-entropy: parameter name -> dL/dp, zeros where p is unused."""
    named = dict(network.named_parameters())
    found = gradients(loss_of(forward(network, batch), batch), list(named.values()))
    return dict(zip(named, found, strict=True))


@_shared
def activation_gradients(
    network: nn.Module, batch: Batch
) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """Of the mean cross-entropy: (layer, its output a, dL/da) for every call of a convolution
    or linear layer."""
    passed = forward(network, batch)
    found = gradients(loss_of(passed, batch), [output for _, output in passed.layers])
    return [(layer, a.detach(), g) for (layer, a), g in zip(passed.layers, found, strict=True)]


@_shared
def input_jacobian(network: nn.Module, batch: Batch) -> Tensor:
    """Gradient of the sum of all logits with respect to each image, flattened: (B, D)."""
    passed = forward(network, batch)
    (found,) = gradients(passed.logits.sum(), [passed.inputs])
    return found.flatten(1)


# ------------------------------------------------------------------ what passes are made of


@_shared
def fisher_jacobian(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (B, C) and their Jacobian (B, C, P) by one scalar of each of the first 128 tensors
    (`harness.scoring.jacobian`)."""
    return scalar_jacobian(network, batch.inputs, scalar_parameters(network))


def loss_of(passed: Forward, batch: Batch) -> Tensor:
    """Mean cross-entropy of the logits against the batch's targets, differentiable."""
    with torch.enable_grad():
        return F.cross_entropy(passed.logits, batch.targets)


def gradients(
    output: Tensor,
    tensors: Sequence[Tensor],
    seed: Tensor | None = None,
    *,
    create_graph: bool = False,
) -> list[Tensor]:
    """Gradients of `output`, zeros for tensors that it does not depend on; the graph is kept.

    Args:
        output: A scalar, or a tensor with `seed` as the vector of the product.
        tensors: With respect to what.
        seed: Of output's shape.
        create_graph: Whether the gradients are differentiable themselves.
    """
    variables = [tensor for tensor in tensors if tensor.requires_grad]
    if not output.requires_grad or not variables:
        return [torch.zeros_like(tensor) for tensor in tensors]
    with torch.enable_grad():
        found = iter(
            torch.autograd.grad(
                output,
                variables,
                seed,
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
            )
        )
    each = [next(found) if tensor.requires_grad else None for tensor in tensors]
    return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, each, strict=True)]


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Weights of all convolutions and linear layers, by parameter name, tied ones once."""
    layers = (m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    wanted = {id(layer.weight) for layer in layers}
    return {name: p for name, p in network.named_parameters() if id(p) in wanted}


@contextmanager
def statistics_held(network: nn.Module) -> Iterator[None]:
    """Batch norms in train mode normalise as ever, but do not move their running statistics."""
    tracking = [
        m
        for m in network.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True


@contextmanager
def statistics_restored(network: nn.Module, momentum: float) -> Iterator[None]:
    """Running statistics move within, by `momentum` in every batch norm; both are put back."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    own = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = momentum
    try:
        yield
    finally:
        for norm, before in zip(norms, own, strict=True):
            norm.momentum = before
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])
