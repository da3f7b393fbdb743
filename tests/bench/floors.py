"""The least that each proxy's formula asks for, in forward passes of the same network.

Counted are multiply-adds of convolutions and linear layers, F of them in one forward pass. Of a
layer y = W x with the gradient d of its output,

- the gradient of its input W^T d takes as many as y itself, and so does that of its weight d x^T:
  a backward pass to the activations alone is 1 F, a full one 2 F;
- a gradient of the weight for each sample takes no more than their sum, since a weight's gradient
  is a sum over samples anyway; only its storage grows;
- what is no convolution and no linear layer (normalising, ReLUs, sums, spectra) is left out.

A network's first layer needs no gradient of its input unless the images' is wanted: 1 % on
NAS-Bench-201, left out as well. A floor is arithmetic, not time: a backward pass of 1 F also goes
through the normalisations' gradients, which read more memory than their forward pass.

`torch.utils.flop_counter` counts what a proxy really does in the same unit (`make bench` shows it),
and `tests/bench/test_floors.py` holds that no proxy counts less than its floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Measures:
    """What floors depend on besides the formula.

    Attributes:
        batch: Images, B.
        classes: Logits, C.
        features: Inputs of the last linear layer, d: gradients of logits that it makes of fewer
            features are combinations of theirs.
        tails: Forward passes that it takes to push a change of each of vkdnw's scalars to the
            logits: for each scalar the share of the pass that comes behind its layer.
    """

    batch: int
    classes: int
    features: int
    tails: float


Cost = float | Callable[[Measures], float]


@dataclass(frozen=True)
class Floor:
    """The passes that a formula cannot do without.

    Attributes:
        passes: What each is -> its cost in forward passes. Proxies of the same network and batch
            share passes of one name.
        reason: In a few words.
        one_image: Whether passes are of one image, whatever the batch.
    """

    passes: Mapping[str, Cost]
    reason: str
    one_image: bool = False

    def of(self, measures: Measures) -> float:
        """Forward passes of the proxy's own batch."""
        return sum(_cost(cost, measures) for cost in self.passes.values())


def _cost(cost: Cost, measures: Measures) -> float:
    return cost(measures) if callable(cost) else cost


def together(
    groups: Iterable[Iterable[str]], measures: Measures, floors: Mapping[str, Floor]
) -> float:
    """Forward passes of the batch for several proxies, each group sharing its passes.

    Args:
        groups: Names of proxies; those of a group get the same network and batch.
        measures: Of the network.
        floors: By name.
    """
    total = 0.0
    for group in groups:
        passes: dict[str, float] = {}
        for name in group:
            share = 1 / measures.batch if floors[name].one_image else 1.0
            for label, cost in floors[name].passes.items():
                passes[label] = share * _cost(cost, measures)
        total += sum(passes.values())
    return total


_FORWARD: dict[str, Cost] = {"forward": 1}
_LOSS_TO_MAPS: dict[str, Cost] = {"loss, gradients of maps": 1}
_LOSS: dict[str, Cost] = {**_LOSS_TO_MAPS, "loss, gradients of weights": 1}
_LOGITS_TO_IMAGES: dict[str, Cost] = {"summed logits, gradients of images": 1}

#: One forward pass, and the cheapest way to d logit / d scalar for all samples: in eval mode
#: samples do not mix, so one backward pass to the maps gives a logit's (or feature's) derivatives
#: of all samples; a forward one gives a scalar's of all logits, and begins at the scalar's layer.
_JACOBIAN: dict[str, Cost] = {
    "forward, running statistics": 1,
    "Jacobian": lambda m: min(m.classes, m.features, m.tails),
}
_JACOBIAN_REASON = "forward; a pass to the maps for each of C logits or d features, or the scalars'"

#: By the proxy's name.
FLOORS: dict[str, Floor] = {
    # The gradient of every block's output with respect to its input: together one way back.
    "az_nas": Floor(
        {**_FORWARD, "blocks, gradients of maps": 1}, "forward; every block's gradient of its input"
    ),
    "epe_nas": Floor({**_FORWARD, **_LOGITS_TO_IMAGES}, "forward; gradients of the images"),
    "fisher": Floor({**_FORWARD, **_LOSS_TO_MAPS}, "forward; gradients of the maps"),
    "grad_norm": Floor({**_FORWARD, **_LOSS}, "forward; full backward"),
    # Batch norms see one image each: another forward pass than that of the batch.
    "gradsign": Floor(
        {"single images, forward": 1, "single images, gradients of maps and weights": 2},
        "forward; full backward, a sample's weight gradients cost no more than the batch's",
    ),
    # w^T H g is one number, and a change of W along W needs no product of its own, since it is a
    # factor s before y = s W x. With h = d/ds at s = 1: h(y) is known from y and W h(x), 1 F;
    # h(d) of the inputs from W^T h(d), 1 F; and of the weights <g, h(d) x^T + d h(x)^T>, 2 F.
    "grasp": Floor(
        {**_FORWARD, **_LOSS, "w^T H g": 4},
        "forward; full backward; w H g as the derivative by one factor before all weights, 4",
    ),
    "jacov": Floor({**_FORWARD, **_LOGITS_TO_IMAGES}, "forward; gradients of the images"),
    "l2_norm": Floor({}, "no pass"),
    "nwot": Floor(_FORWARD, "forward; patterns compared in bits"),
    "plain": Floor({**_FORWARD, **_LOSS}, "forward; full backward"),
    "snip": Floor({**_FORWARD, **_LOSS}, "forward; full backward"),
    # Scores reach 1e66, beyond float32, and a core does half as many float64 operations.
    "synflow": Floor(
        {"absolute network, float64": 6},
        "one image: forward and full backward, float64 counts twice",
        one_image=True,
    ),
    # In train mode batch norms mix the samples, so that the logits of each depend on all maps.
    "te_nas": Floor(
        {**_FORWARD, "kernel": lambda m: 2 * m.batch, "regions": 1},
        "forward; B full backwards, as batch norms mix samples; forward of noise",
    ),
    "vkdnw": Floor(_JACOBIAN, _JACOBIAN_REASON),
    "vkdnw_exact": Floor(_JACOBIAN, _JACOBIAN_REASON),
    "zen": Floor({"batch and its neighbour": 2}, "forward of the images and of their neighbours"),
    "zico": Floor(
        {**_FORWARD, **_LOSS, "second batch": 3}, "forward; full backward; of two batches"
    ),
}
