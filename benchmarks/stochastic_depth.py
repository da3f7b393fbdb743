"""Stochastic depth, which the spaces' networks share."""

from __future__ import annotations

from torch import Tensor


def kept(x: Tensor, rate: float, training: bool) -> Tensor:
    """A residual branch, in training left out of single images.

    Args:
        x: What the branch gives, (B, C, H, W).
        rate: Probability of leaving it out; what stays is scaled by 1 / (1 - rate).
        training: In eval mode nothing is left out.
    """
    if not training or not rate:
        return x
    keep = 1 - rate
    return x * x.new_empty(len(x), 1, 1, 1).bernoulli_(keep).div_(keep)


def rates(last: float, count: int) -> list[float]:
    """Rates that grow linearly from 0 to that of the last of `count` branches.

    >>> rates(0.5, 3), rates(0.5, 1)
    ([0.0, 0.25, 0.5], [0.0])
    """
    return [last * number / max(1, count - 1) for number in range(count)]
