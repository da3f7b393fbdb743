"""Batch norms folded into the convolutions before them, for as long as it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.scoring.jacobian.rules import batch_norm_scale, has_rule


@dataclass
class Fold:
    """Convolutions that compute the batch norm behind them too.

    Attributes:
        pairs: Convolution -> its batch norm.
        calls: How often each of them was called.
    """

    pairs: dict[nn.Module, nn.BatchNorm2d] = field(default_factory=dict)
    calls: Counter[nn.Module] = field(default_factory=Counter)


@contextmanager
def folded_batch_norms(network: nn.Module) -> Iterator[Fold]:
    """Fold batch norms into the convolutions before them.

    In eval mode batch norm is a fixed affine map of each channel, so it goes into the weights
    of the convolution before it. Only a pair inside a plain `nn.Sequential` is taken to be
    used together, and equal numbers of calls confirm it. The modules' `forward` is shadowed
    meanwhile, their weights are untouched.
    """
    fold = Fold()
    places = Counter(child for parent in network.modules() for child in parent.children())
    for sequence in network.modules():
        if type(sequence) is nn.Sequential:
            for conv, bn in zip(sequence, list(sequence)[1:], strict=False):
                if type(conv) is not nn.Conv2d or type(bn) is not nn.BatchNorm2d:
                    continue
                if places[conv] == places[bn] == 1 and _can_fold(conv, bn):
                    fold.pairs[conv] = bn
    try:
        for conv, bn in fold.pairs.items():
            assert isinstance(conv, nn.Conv2d)
            _shadow_forward(conv, bn, fold.calls)
        yield fold
    finally:
        for conv, bn in fold.pairs.items():
            vars(conv).pop("forward", None)
            vars(bn).pop("forward", None)


def _can_fold(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> bool:
    # The derivative with respect to the scale is read off the output divided by the scale.
    return has_rule(conv) and bn.affine and bool(bn.weight[0].abs() > 1e-2)


def _shadow_forward(conv: nn.Conv2d, bn: nn.BatchNorm2d, calls: Counter[nn.Module]) -> None:
    assert bn.running_mean is not None
    scale = batch_norm_scale(bn)
    weight = conv.weight.detach() * scale[:, None, None, None]
    weight = weight.contiguous(memory_format=torch.channels_last)
    mean = bn.running_mean if conv.bias is None else bn.running_mean - conv.bias.detach()
    shift = bn.bias.detach() - mean * scale

    def convolve(x: Tensor) -> Tensor:
        calls[conv] += 1
        return F.conv2d(x, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups)

    def identity(x: Tensor) -> Tensor:
        calls[bn] += 1
        return x

    vars(conv)["forward"] = convolve
    vars(bn)["forward"] = identity
