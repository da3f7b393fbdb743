"""Per-sample Jacobian of the logits with respect to one scalar of each of many parameters.

The Fisher-matrix proxies need d logit_c / d theta_k for every sample, where theta_k is a
single element of the k-th parameter tensor. Three ways to it, equal in value:

`scalar_jacobian` runs one backward pass a logit for the whole batch. In eval mode the
samples do not mix, so the gradient of sum_n logit_{n,c} with respect to a layer's output
holds every sample's own gradient. The derivative with respect to one weight is then a sum
over pixels of that output gradient and a shifted slice of the layer's input; no weight
gradient is ever formed. Logits that are a linear layer of d < C features need d passes.

Where that are more passes than there are scalars, it goes forwards instead: a scalar perturbs
channel 0 of its layer's output alone, and what this does to the logits is pushed through the
rest of the network, several scalars at once. Layers without a rule have their parameter itself
perturbed.

`scalar_jacobian_reference` is torch.func's vmap(jacrev), for any network.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def scalar_parameters(network: nn.Module, limit: int | None = 128) -> list[str]:
    """Names of the first `limit` trainable parameter tensors in registration order (None: all).

    Those that a space freezes because no gradient reaches them say nothing about the network.
    """
    return [name for name, p in network.named_parameters() if p.requires_grad][:limit]


def scalar_jacobian_reference(network: nn.Module, inputs: Tensor, names: Sequence[str]) -> Tensor:
    """Jacobian by torch.func, one sample at a time under vmap.

    Args:
        network: In eval mode.
        inputs: (B, ...) images.
        names: Parameter tensors; the scalar taken from each is its element at flat index 0.

    Returns:
        (B, C, len(names)): d logit / d scalar.
    """
    # functional_call does not put the parameters of a module that is shared back as they were.
    network = copy.deepcopy(network)
    tensors = {name: p.detach() for name, p in network.named_parameters()}
    buffers = {name: b.detach() for name, b in network.named_buffers()}
    scalars = torch.stack([tensors[name].flatten()[0] for name in names])

    def logits(scalars: Tensor, image: Tensor) -> Tensor:
        replaced = dict(tensors)
        for k, name in enumerate(names):
            rest = tensors[name].flatten()[1:]
            replaced[name] = torch.cat([scalars[k : k + 1], rest]).reshape(tensors[name].shape)
        out: Tensor = torch.func.functional_call(network, (replaced, buffers), (image[None],))
        return out[0]

    jacobian = torch.func.vmap(torch.func.jacrev(logits), in_dims=(None, 0))
    result: Tensor = jacobian(scalars, inputs)
    return result


def scalar_jacobian(
    network: nn.Module,
    inputs: Tensor,
    names: Sequence[str],
    *,
    directions: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits, and their Jacobian by plain backward passes over the batch.

    Args:
        network: In eval mode, so that samples do not mix. Left as it was found.
        inputs: (B, ...) images.
        names: Parameter tensors; the scalar taken from each is its element at flat index 0.
        directions: Logits back-propagated in one pass. More of them replicate the batch:
            more arithmetic in the forward pass, fewer launches. Default: 1 on a CPU, where
            batching only enlarges the working set; on a GPU up to 16. Forwards: scalars pushed
            through at once, by default 8 and 16.

    Returns:
        Logits (B, C) and the Jacobian (B, C, len(names)), detached, in the network's dtype.
        A network with a parameter whose layer has no rule here goes through
        `scalar_jacobian_reference`.

    Raises:
        ValueError: The network is in train mode.
    """
    for module in network.modules():
        mixing = isinstance(module, nn.BatchNorm2d) and module.running_var is None
        if module.training or mixing:
            raise ValueError("the per-sample Jacobian needs eval mode and running statistics")
    wanted = _wanted(network, names)
    forwards = 0 < len(names) < _backward_count(network)
    ruled = all(_has_rule(module) for module in wanted)
    if not (forwards or ruled) or _has_tied_parameters(network):
        return _by_reference(network, inputs, names)
    if directions is None:
        directions = (8 if forwards else 1) if inputs.device.type == "cpu" else 16
    if inputs.dim() == 4:  # 1.6x on a CPU here, most of it in pooling
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    found = None
    with _frozen(network), _folded_batch_norms(network) as fold, torch.enable_grad():
        arguments = network, inputs.detach(), wanted, fold, len(names), directions
        if not forwards:
            found = _backward_passes(*arguments)
        else:
            try:
                found = _forward_passes(*arguments)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:  # torch.func goes forwards through most layers, not all
                found = None
    return _by_reference(network, inputs, names) if found is None else found


def _backward_count(network: nn.Module) -> int:
    """How many backward passes it would take, if the last linear layer makes the logits."""
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return min(linears[-1].in_features, linears[-1].out_features) if linears else 0


def _by_reference(
    network: nn.Module, inputs: Tensor, names: Sequence[str]
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        logits: Tensor = network(inputs)
    return logits, scalar_jacobian_reference(network, inputs, names)


def _has_tied_parameters(network: nn.Module) -> bool:
    """Whether two modules share a parameter: the rules see one user of each."""
    owners = [
        (id(parameter), id(module))
        for module in set(network.modules())
        for parameter in module.parameters(recurse=False)
    ]
    return len({parameter for parameter, _ in owners}) < len(owners)


def _wanted(network: nn.Module, names: Sequence[str]) -> dict[nn.Module, dict[str, int]]:
    """Layer -> parameter attribute -> column of the Jacobian."""
    modules = dict(network.named_modules())
    wanted: dict[nn.Module, dict[str, int]] = {}
    for column, name in enumerate(names):
        path, _, attribute = name.rpartition(".")
        wanted.setdefault(modules[path], {})[attribute] = column
    return wanted


# ------------------------------------------------------------------ the backward passes


@dataclass
class _Call:
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
        self.gradients.append(_flat(_channel0(self.layer, gradient)))


@dataclass
class _Recording:
    """What the forward pass left behind.

    Attributes:
        calls: Calls of the observed layers, in order.
        leaves: Outputs that nothing upstream makes differentiable; the backward passes end here.
        linears: Inputs and outputs of all linear layers: one may make the logits.
    """

    calls: list[_Call] = field(default_factory=list)
    leaves: list[Tensor] = field(default_factory=list)
    linears: list[tuple[_Call, Tensor, Tensor]] = field(default_factory=list)


def _backward_passes(
    network: nn.Module,
    inputs: Tensor,
    wanted: dict[nn.Module, dict[str, int]],
    fold: _Fold,
    columns: int,
    directions: int,
) -> tuple[Tensor, Tensor] | None:
    """Logits and Jacobian; None where a wanted layer's parameters are used without calling it."""
    # A folded batch norm is computed, and so observed, by its convolution.
    folds = fold.pairs
    folded: dict[nn.Module, nn.Module] = {bn: conv for conv, bn in folds.items()}
    observed: set[nn.Module] = {folded.get(layer, layer) for layer in wanted}
    observed |= {module for module in network.modules() if isinstance(module, nn.Linear)}
    with _recorded(observed) as recording:
        logits = network(torch.cat([inputs] * directions))
    called = {call.layer for call in recording.calls}
    if any(folded.get(layer, layer) not in called for layer in wanted):
        return None
    if any(fold.calls[conv] != fold.calls[bn] for conv, bn in folds.items()):
        return None  # a convolution read without its batch norm was folded all the same
    batch, classes = len(inputs), logits.shape[1]

    # Logits that a linear layer makes of fewer features: propagate the features instead.
    head, features = None, logits
    for call, read, given in recording.linears:
        if given is logits and read.dim() == 2:
            head, features = call, read
    outputs = features if features.shape[1] < classes else logits
    calls = [call for call in recording.calls if call is not head]
    _propagate(outputs, recording.leaves, batch, directions)

    jacobian = inputs.new_zeros(batch, outputs.shape[1], columns)
    for call in calls:
        if not call.gradients:  # the outputs do not depend on it
            continue
        # (D, B, P): direction, sample, pixel.
        gradient = torch.cat(call.gradients).unflatten(0, (-1, batch))[: outputs.shape[1]]
        bn = folds.get(call.layer)
        for layer in (call.layer,) if bn is None else (call.layer, bn):
            for attribute, column in wanted.get(layer, {}).items():
                factor = _factor(call, layer, attribute, bn)[:batch]
                jacobian[:, :, column] += torch.einsum("dbp,bp->bd", gradient, factor)
    if outputs is not logits and head is not None:
        jacobian = torch.einsum("cd,bdk->bck", head.layer.weight, jacobian)
    if head is not None:
        for attribute, column in wanted.get(head.layer, {}).items():
            # Scalar 0 of the classifier moves logit 0 alone.
            jacobian[:, 0, column] += head.x[:batch] if attribute == "weight" else 1.0
    return logits[:batch].detach(), jacobian.detach()


def _propagate(outputs: Tensor, leaves: list[Tensor], batch: int, directions: int) -> None:
    """Back-propagate every output on its own; the hooks collect the gradients.

    Args:
        outputs: (K * B, D), the batch replicated K = `directions` times.
        leaves: Where the passes end.
        batch: B.
        directions: K, outputs propagated in one pass.
    """
    if not outputs.requires_grad or not leaves:
        return
    count = outputs.shape[1]
    for start in range(0, count, directions):
        seeds = torch.zeros_like(outputs)
        for k, direction in enumerate(range(start, min(start + directions, count))):
            seeds[k * batch : (k + 1) * batch, direction] = 1.0
        torch.autograd.grad(outputs, leaves, seeds, retain_graph=True, allow_unused=True)


# ------------------------------------------------------------------ the forward passes

#: Layer, attribute, column of the Jacobian.
_Scalar = tuple[nn.Module, str, int]
#: Pixels of input that are perturbed at once on a CPU, in all directions together.
_PIXELS = 8 * 32 * 64 * 64


def _forward_passes(
    network: nn.Module,
    inputs: Tensor,
    wanted: dict[nn.Module, dict[str, int]],
    fold: _Fold,
    columns: int,
    directions: int,
) -> tuple[Tensor, Tensor] | None:
    """As `_backward_passes`, by forward-mode differentiation."""
    folded: dict[nn.Module, nn.Module] = {bn: conv for conv, bn in fold.pairs.items()}
    # Scalars in the order in which their layers are called: those of one pass are neighbours,
    # and what comes before the first of them is computed without any perturbation.
    order: dict[nn.Module, int] = {}

    def note(module: nn.Module, read: tuple[Tensor, ...]) -> None:
        order.setdefault(module, len(order))

    users = {folded.get(layer, layer) for layer in wanted}
    handles = [module.register_forward_pre_hook(note) for module in users]
    try:
        with torch.no_grad():
            logits = network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    if len(order) < len(users):
        return None
    if any(fold.calls[conv] != fold.calls[bn] for conv, bn in fold.pairs.items()):
        return None

    def position(layer: nn.Module) -> int:
        return order[folded.get(layer, layer)]

    scalars = [
        (layer, attribute, column)
        for layer in sorted(wanted, key=position)
        for attribute, column in wanted[layer].items()
    ]
    # Samples do not mix: a few at a time keep the perturbed maps small.
    pixels = inputs[0, :1].numel() * directions
    most = _PIXELS * (1 if inputs.device.type == "cpu" else 16)
    jacobian = [
        _pushed_forward(network, part, scalars, columns, directions, folded, fold)
        for part in inputs.split(max(1, most // pixels))
    ]
    return logits, torch.cat(jacobian)


def _pushed_forward(
    network: nn.Module,
    inputs: Tensor,
    scalars: Sequence[_Scalar],
    columns: int,
    directions: int,
    folded: dict[nn.Module, nn.Module],
    fold: _Fold,
) -> Tensor:
    """The Jacobian (B, C, columns), `directions` scalars at a time."""
    jacobian: Tensor | None = None
    for start in range(0, len(scalars), directions):
        chosen = scalars[start : start + directions]
        amounts = inputs.new_zeros(len(chosen))

        def perturbed(amounts: Tensor, chosen: Sequence[_Scalar] = chosen) -> Tensor:
            with _perturbed(chosen, amounts, folded, fold):
                out: Tensor = network(inputs)
            return out

        def derivative(
            direction: Tensor,
            amounts: Tensor = amounts,
            function: Callable[[Tensor], Tensor] = perturbed,
        ) -> Tensor:
            found: Tensor = torch.func.jvp(function, (amounts,), (direction,))[1]
            return found

        found = torch.func.vmap(derivative)(torch.eye(len(chosen)).to(amounts))
        if jacobian is None:
            jacobian = found.new_zeros(*found.shape[1:], columns)
        for each, (_, _, column) in zip(found, chosen, strict=True):
            jacobian[:, :, column] = each
    assert jacobian is not None  # `_forward_passes` is called with a scalar at least
    return jacobian


@contextmanager
def _perturbed(
    scalars: Sequence[_Scalar],
    amounts: Tensor,
    folded: dict[nn.Module, nn.Module],
    fold: _Fold,
) -> Iterator[None]:
    """Within, each scalar (layer, attribute) is greater by its amount.

    With a rule, channel 0 of what the layer gives is changed, as it is linear in the scalar;
    without, the parameter is.
    """
    handles, shadowed = [], []
    for (layer, attribute, _), amount in zip(scalars, amounts.unbind(), strict=True):
        if not _has_rule(layer):
            parameter = getattr(layer, attribute)
            first = torch.zeros_like(parameter).flatten()
            first[0] = 1
            vars(layer)[attribute] = parameter + amount * first.view_as(parameter)
            shadowed.append((layer, attribute))
            continue

        def change(
            caller: nn.Module,
            read: tuple[Tensor, ...],
            given: Tensor,
            layer: nn.Module = layer,
            attribute: str = attribute,
            amount: Tensor = amount,
        ) -> Tensor:
            bn = fold.pairs.get(caller)
            call = _Call(caller, _channel0(caller, read[0]), _channel0(caller, given))
            factor = _factor(call, layer, attribute, bn).view_as(call.y)
            axis = -1 if isinstance(caller, nn.Linear) else 1
            shape = [1] * given.dim()
            shape[axis] = given.shape[axis]
            first = F.one_hot(torch.zeros((), dtype=torch.long), given.shape[axis])
            return given + (amount * factor).unsqueeze(axis) * first.to(given).view(shape)

        handles.append(folded.get(layer, layer).register_forward_hook(change))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer, attribute in shadowed:
            vars(layer).pop(attribute)


# ------------------------------------------------------------------ rules, one a layer type


def _has_rule(module: nn.Module) -> bool:
    if type(module) is nn.Conv2d:
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return type(module) in (nn.BatchNorm2d, nn.Linear)


def _factor(call: _Call, layer: nn.Module, attribute: str, folded: nn.BatchNorm2d | None) -> Tensor:
    """What channel 0 of the output's gradient is multiplied with, pixel by pixel: (K * B, P).

    d logit / d theta = sum_p (d logit / d y_p) (d y_p / d theta); this is d y_p / d theta.
    """
    x, y = call.x, call.y
    if attribute == "bias" and not (folded is not None and layer is call.layer):
        return torch.ones_like(_flat(y))
    match layer:
        case nn.Linear():
            return _flat(x)
        case nn.BatchNorm2d() if folded is layer:
            return (_flat(y) - layer.bias[0]) / layer.weight[0]
        case nn.BatchNorm2d(running_mean=Tensor() as mean, running_var=Tensor() as variance):
            return (_flat(x) - mean[0]) * (variance[0] + layer.eps).rsqrt()
        case nn.Conv2d(stride=(int(s_h), int(s_w)), padding=(int(p_h), int(p_w))):
            scale = 1.0 if folded is None else _batch_norm_scale(folded)[0]
            if attribute == "bias":
                return torch.ones_like(_flat(y)) * scale
            # Tap (0, 0) of the kernel reads the input shifted by the padding.
            height, width = y.shape[-2:]
            shifted = F.pad(x, (p_w, p_w, p_h, p_h))
            shifted = shifted[:, : (height - 1) * s_h + 1 : s_h, : (width - 1) * s_w + 1 : s_w]
            return _flat(shifted) * scale
    raise AssertionError(f"no rule for {layer}")  # _has_rule let it pass


def _channel0(layer: nn.Module, tensor: Tensor) -> Tensor:
    """A copy of channel 0: (B, H, W) of a map, (B, ...) of a linear layer's features."""
    return (tensor[..., 0] if isinstance(layer, nn.Linear) else tensor[:, 0]).detach().clone()


def _flat(tensor: Tensor) -> Tensor:
    """All but the first dimension in one: (B, P)."""
    return tensor.reshape(len(tensor), -1)


# ------------------------------------------------------------------ the network, borrowed


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """No parameter takes part in autograd; activations alone do."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def _recorded(layers: set[nn.Module]) -> Iterator[_Recording]:
    """Observe the calls of the layers. An output that nothing upstream makes differentiable
    is replaced by a leaf."""
    recording = _Recording()

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not output.requires_grad:
            leaf = output.detach().requires_grad_()
            recording.leaves.append(leaf)
            output = leaf.clone()  # what follows may write in place
        call = _Call(layer, _channel0(layer, inputs[0]), _channel0(layer, output))
        output.register_hook(call.collect)
        recording.calls.append(call)
        if isinstance(layer, nn.Linear):
            recording.linears.append((call, inputs[0], output))
        return output

    handles = [layer.register_forward_hook(record) for layer in layers]
    try:
        yield recording
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class _Fold:
    """Convolutions that compute the batch norm behind them too.

    Attributes:
        pairs: Convolution -> its batch norm.
        calls: How often each of them was called.
    """

    pairs: dict[nn.Module, nn.BatchNorm2d] = field(default_factory=dict)
    calls: Counter[nn.Module] = field(default_factory=Counter)


@contextmanager
def _folded_batch_norms(network: nn.Module) -> Iterator[_Fold]:
    """Fold batch norms into the convolutions before them.

    In eval mode batch norm is a fixed affine map of each channel, so it goes into the weights
    of the convolution before it. Only a pair inside a plain `nn.Sequential` is taken to be
    used together, and equal numbers of calls confirm it. The modules' `forward` is shadowed
    meanwhile, their weights are untouched.
    """
    fold = _Fold()
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
    return _has_rule(conv) and bn.affine and bool(bn.weight[0].abs() > 1e-2)


def _batch_norm_scale(bn: nn.BatchNorm2d) -> Tensor:
    assert bn.running_var is not None
    return (bn.weight * (bn.running_var + bn.eps).rsqrt()).detach()


def _shadow_forward(conv: nn.Conv2d, bn: nn.BatchNorm2d, calls: Counter[nn.Module]) -> None:
    assert bn.running_mean is not None
    scale = _batch_norm_scale(bn)
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
