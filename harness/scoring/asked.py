"""What proxies ask of a network, looked for in anybody's; and its size, counted.

One entry in `CHECKS` for each of `harness.proxies._registry.Asks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from benchmarks.types import Costs
from harness.proxies import Proxy
from harness.scoring.passes import Staged


@dataclass(frozen=True)
class Seen:
    """One forward pass of a network as it was found, in eval mode.

    Attributes:
        network: Itself.
        logits: (B, C), what it gave.
        rectified: Dimensions of what its `nn.ReLU` modules gave.
        macs: Multiply-accumulates of convolutions and linear layers for one sample, and one
            addition for each value that has a bias; what is computed without calling such a
            module, as in attention, is not seen.
    """

    network: nn.Module
    logits: Tensor
    rectified: frozenset[int]
    macs: int

    @property
    def costs(self) -> Costs:
        """Its size, by counting."""
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        return Costs(sum(p.numel() for p in trainable), self.macs, len(trainable))


def look(network: nn.Module, inputs: Tensor) -> Seen:
    """Run a network once and see what there is.

    Args:
        network: Left in eval mode.
        inputs: (B, ...), float.

    Raises:
        InputError: It cannot be run on them, or gives no logits (B, C).
    """
    rectified: set[int] = set()
    macs = [0]

    def count(layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, nn.ReLU):
            rectified.add(output.dim())
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            each = layer.weight[0].numel() + (layer.bias is not None)
            macs[0] += output.numel() * each

    layers = (m for m in network.modules() if isinstance(m, nn.ReLU | nn.Conv2d | nn.Linear))
    handles = [layer.register_forward_hook(count) for layer in layers]
    shape = tuple(inputs.shape)
    try:
        # With gradients, or transformers take a way past their own modules.
        with torch.enable_grad():
            logits = network.eval()(inputs)
    except Exception as error:
        raise InputError(
            f"the network raises {type(error).__name__} on an input of shape {shape}: "
            f"{str(error)[:300]}; give the input_shape that it takes, without the batch"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the network gives a {type(logits).__name__}, not a tensor of logits; wrap it in a "
            "module whose forward returns the logits alone"
        )
    if logits.dim() != 2 or len(logits) != len(inputs) or not logits.is_floating_point():
        raise InputError(
            f"the network gives {logits.dtype} of shape {tuple(logits.shape)} on an input of shape "
            f"{shape}; it must give logits of shape ({len(inputs)}, classes)"
        )
    seen = Seen(network, logits.detach(), frozenset(rectified), macs[0] // len(inputs))
    if isinstance(network, Staged):
        _check_stages(network, inputs, seen.logits)
    return seen


def _check_stages(network: Staged, inputs: Tensor, logits: Tensor) -> None:
    """A network may have methods of these names that mean something else."""
    try:
        with torch.no_grad():
            stages = network.features(inputs)
            fits = isinstance(stages, list | tuple) and len(stages) > 1
            same = fits and torch.allclose(
                network.head(stages[-1]), logits, atol=1e-4, equal_nan=True
            )
            same = same and isinstance(network.pre_gap(inputs), Tensor)
    except Exception as error:
        raise InputError(
            f"the network's features, pre_gap or head raise {type(error).__name__}: {error}; "
            f"correct or rename them: {_STAGES}"
        ) from error
    if not same:
        raise InputError(
            f"the network has features, pre_gap and head that do not fit; correct or rename "
            f"them: {_STAGES}"
        )


_STAGES = (
    "features(x) gives the maps after the stem and after each block in a list, pre_gap(x) the "
    "last map before pooling, head(map) the logits of the last of the features"
)


def _running(seen: Seen) -> bool:
    norms = [m for m in seen.network.modules() if isinstance(m, nn.BatchNorm2d)]
    return all(norm.running_var is not None for norm in norms)


#: Of each thing that a proxy may ask for: whether a network has it, and what to do about it.
CHECKS: Mapping[str, tuple[Callable[[Seen], bool], str]] = {
    "stages": (
        lambda seen: isinstance(seen.network, Staged),
        f"looks between the blocks of a network; give it the methods: {_STAGES}",
    ),
    "relus": (
        lambda seen: bool(seen.rectified),
        "reads what nn.ReLU modules give, and none is called here; where the network calls "
        "torch.relu, make it a module (other activations have no pattern of on and off)",
    ),
    "relu_maps": (
        lambda seen: 4 in seen.rectified,
        "reads maps (B, C, H, W) that nn.ReLU modules give, and there are none here; where the "
        "network calls torch.relu, make it a module",
    ),
    "layers": (
        lambda seen: any(isinstance(m, nn.Conv2d | nn.Linear) for m in seen.network.modules()),
        "sums over the weights of nn.Conv2d and nn.Linear modules, and there are none here",
    ),
    "running_statistics": (
        _running,
        "needs batch norms with running statistics, or samples mix in eval mode; make them with "
        "track_running_stats=True",
    ),
}


def lacking(proxy: Proxy, seen: Seen) -> str:
    """Why a proxy says nothing about a network, and what would help; empty where it does."""
    missing = [CHECKS[each][1] for each in proxy.asks if not CHECKS[each][0](seen)]
    return f"{proxy.name} {missing[0]}" if missing else ""
