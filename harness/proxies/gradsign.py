"""GradSign: how far single samples agree on the sign of each weight's gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.types import Batch
from harness.proxies._registry import Score, register_proxy
from harness.scoring.passes import gradients, statistics_held, weights

_COLUMNS = 2**25  # numbers in the unfolded inputs of a convolution, held at a time


@register_proxy(
    "gradsign", paper="arXiv:2110.08616", input="images", parts=("mean",), asks=("layers",)
)
def gradsign(network: nn.Module, batch: Batch) -> Score:
    """Sum over weights of |sum_i sign(dl_i / dw)|, i the samples.

    Zhang and Jia, "GradSign: Model Performance Inference with Theoretical Insights", ICLR 2022,
    eq. 9: the more samples agree, the closer their optima. Samples pass one at a time in
    train mode, so that batch norms see one image each; weights are those of convolutions and
    linear layers; real images, Kaiming weights. Higher is better.

    The sum grows with the number of weights. The AZ-NAS and VKDNW code takes the mean over
    the weights instead, the part `mean`, which correlates negatively with accuracy on
    NAS-Bench-201; the published correlations are those of the sum.

    One pass over the batch with batch norms of single images (instance norms) has the very
    same gradients, and a layer's per-sample weight gradients are one batched product: the way
    taken on a GPU. On a CPU single images, whose maps stay in the cache, are up to 1.5 times
    faster.

    Args:
        network: In train mode.
        batch: inputs (B, 3, R, R), targets (B,).

    Returns:
        `score`, the sum; `mean`, the same divided by the number of weights: in [0, B].
    """
    count = sum(w.numel() for w in weights(network).values())
    agreement = None if batch.inputs.device.type == "cpu" else _batched(network, batch)
    if agreement is None:
        agreement = _one_at_a_time(network, batch)
    return {"score": agreement, "mean": agreement / count}


def _one_at_a_time(network: nn.Module, batch: Batch) -> float:
    """The definition, for any network."""
    layers = list(weights(network).values())
    signs = [torch.zeros_like(w) for w in layers]
    with statistics_held(network):
        for image, target in zip(batch.inputs.split(1), batch.targets.split(1), strict=True):
            with torch.enable_grad():
                loss = F.cross_entropy(network(image), target)
            for total, g in zip(signs, gradients(loss, layers), strict=True):
                total.add_(g.sign())
    return sum(float(total.double().abs().sum()) for total in signs)


def _batched(network: nn.Module, batch: Batch) -> float | None:
    """All samples in one pass; None where a layer has no rule for per-sample gradients."""
    layers = {m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    owned = [p for module in network.modules() for p in module.parameters(recurse=False)]
    if not all(map(_has_rule, network.modules())) or len(set(owned)) < len(owned):
        return None
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def record(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append((module, arguments[0].detach(), output))

    handles = [layer.register_forward_hook(record) for layer in layers]
    try:
        with torch.enable_grad(), _norms_of_single_images(network):
            # In place of B losses their sum: sample i's gradients are those of its own loss.
            logits = network(batch.inputs)
            loss = F.cross_entropy(logits, batch.targets, reduction="sum")
    finally:
        for handle in handles:
            handle.remove()
    if {module for module, _, _ in calls} != layers:
        return None  # an uncalled layer's weight may be used by other means
    outputs = [output for _, _, output in calls]
    found = gradients(loss, outputs)
    by_layer: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {}
    for (module, x, _), gradient in zip(calls, found, strict=True):
        by_layer.setdefault(module, []).append((x, gradient))
    return sum(_agreement(module, pairs) for module, pairs in by_layer.items())


def _agreement(layer: nn.Module, calls: list[tuple[Tensor, Tensor]]) -> float:
    """sum_w |sum_i sign(dl_i / dw)| of one layer from (input, output gradient) of its calls."""
    size = len(calls[0][0])
    taps = layer.kernel_size if isinstance(layer, nn.Conv2d) else (1,)
    widest = max(x[0].numel() * max(taps) ** 2 for x, _ in calls)
    total: Tensor | None = None
    for chunk in torch.arange(size).split(max(1, _COLUMNS // widest)):
        part = slice(int(chunk[0]), int(chunk[-1]) + 1)
        per_sample = sum(_weight_gradients(layer, x[part], g[part]) for x, g in calls)
        assert isinstance(per_sample, Tensor)
        signs = per_sample.sign().sum(0)
        total = signs if total is None else total + signs
    assert total is not None
    return float(total.double().abs().sum())


def _weight_gradients(layer: nn.Module, x: Tensor, gradient: Tensor) -> Tensor:
    """Per-sample weight gradients of one call: (B, groups, outputs a group, weights each)."""
    if isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)  # _has_rule let it pass
        shape = (layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        plain = shape == ((1, 1), (1, 1), (0, 0), (1, 1))
        columns = x.flatten(2) if plain else F.unfold(x, *shape)
        columns = columns.unflatten(1, (layer.groups, -1))
        rows = gradient.flatten(2).unflatten(1, (layer.groups, -1))
        return torch.matmul(rows, columns.mT)
    rows, columns = (t.reshape(len(t), -1, t.shape[-1]) for t in (gradient, x))
    return torch.matmul(rows.mT, columns)[:, None]


def _has_rule(module: nn.Module) -> bool:
    """Whether a module can run all samples at once as if each were alone."""
    if isinstance(module, nn.Conv2d):
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
        return type(module) is nn.BatchNorm2d
    return True


@contextmanager
def _norms_of_single_images(network: nn.Module) -> Iterator[None]:
    """Batch norms in train mode normalise every image by its own statistics meanwhile."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d) and m.training]

    def instance_norm(norm: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
        return lambda x: F.instance_norm(x, None, None, norm.weight, norm.bias, eps=norm.eps)

    try:
        for norm in norms:
            vars(norm)["forward"] = instance_norm(norm)
        yield
    finally:
        for norm in norms:
            vars(norm).pop("forward", None)
