"""How the output of a layer depends on one of its scalars: a rule for every layer type.

d logit / d theta = sum_p (d logit / d y_p) (d y_p / d theta), over the pixels p of channel 0 of
the layer's output y, the only channel that scalar 0 moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class Call:
    """One call of a layer; only what its rule needs, so that activations can be freed.

    Attributes:
        layer: The module called.
        x: Channel 0 of what it read, (K * B, H, W) or (K * B, ...).
        y: Channel 0 of what it gave, likewise.
        gradients: Channel 0 of the gradient of what it gave, (K * B, P), one a pass.
    """

    layer: nn.Module
    x: Tensor
    y: Tensor
    gradients: list[Tensor] = field(default_factory=list)

    def collect(self, gradient: Tensor) -> None:
        """Tensor hook: keep what the rules need of the output's gradient."""
        self.gradients.append(flat(channel0(self.layer, gradient)))


def has_rule(module: nn.Module) -> bool:
    """Whether `factor_of` knows the module; any other goes through the reference, or forwards."""
    if type(module) is nn.Conv2d:
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return type(module) in (nn.BatchNorm2d, nn.Linear)


def factor_of(
    call: Call, layer: nn.Module, attribute: str, folded: nn.BatchNorm2d | None
) -> Tensor:
    """What channel 0 of the output's gradient is multiplied with, pixel by pixel: (K * B, P).

    d logit / d theta = sum_p (d logit / d y_p) (d y_p / d theta); this is d y_p / d theta.

    Args:
        call: Of the layer, or of the convolution that computes it too.
        layer: One that `has_rule`.
        attribute: "weight" or "bias"; the scalar is its first element.
        folded: The batch norm that the convolution called computes too.
    """
    x, y = call.x, call.y
    if attribute == "bias" and not (folded is not None and layer is call.layer):
        return torch.ones_like(flat(y))
    match layer:
        case nn.Linear():
            return flat(x)
        case nn.BatchNorm2d() if folded is layer:
            return (flat(y) - layer.bias[0]) / layer.weight[0]
        case nn.BatchNorm2d(running_mean=Tensor() as mean, running_var=Tensor() as variance):
            return (flat(x) - mean[0]) * (variance[0] + layer.eps).rsqrt()
        case nn.Conv2d(stride=(int(s_h), int(s_w)), padding=(int(p_h), int(p_w))):
            scale = 1.0 if folded is None else batch_norm_scale(folded)[0]
            if attribute == "bias":
                return torch.ones_like(flat(y)) * scale
            # Tap (0, 0) of the kernel reads the input shifted by the padding.
            height, width = y.shape[-2:]
            shifted = F.pad(x, (p_w, p_w, p_h, p_h))
            shifted = shifted[:, : (height - 1) * s_h + 1 : s_h, : (width - 1) * s_w + 1 : s_w]
            return flat(shifted) * scale
    raise AssertionError(f"no rule for {layer}")  # has_rule let it pass


def channel0(layer: nn.Module, tensor: Tensor) -> Tensor:
    """A copy of channel 0: (B, H, W) of a map, (B, ...) of a linear layer's features."""
    return (tensor[..., 0] if isinstance(layer, nn.Linear) else tensor[:, 0]).detach().clone()


def flat(tensor: Tensor) -> Tensor:
    """All but the first dimension in one: (B, P)."""
    return tensor.reshape(len(tensor), -1)


def batch_norm_scale(bn: nn.BatchNorm2d) -> Tensor:
    """What eval mode multiplies each channel with: (C,)."""
    assert bn.running_var is not None
    return (bn.weight * (bn.running_var + bn.eps).rsqrt()).detach()
