"""Functions of the two forms that public code has, as proxies of this harness.

Both adapters give a `score(network, *batches)` that `register_proxy` takes:

    register_proxy("their_snip", paper="...")(from_measure(snip))

Such functions may initialise the network themselves (what `init` of `register_proxy` says is
then without effect), change its mode, hook or rewrite its modules. They therefore get a copy of
the network and of the batch, so that nothing of it is seen by whatever comes next. They draw from
global generators: PyTorch's, NumPy's and Python's are seeded from the batch's seed while they
run and put back afterwards, so that the score is a function of its key.
"""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.types import Batch, derive_seed
from harness.proxies import Score

ScoreFunction = Callable[..., Score]


def from_compute_nas_score(
    function: Callable[..., Mapping[str, Any]], *, part: str | None = None, **options: Any
) -> ScoreFunction:
    """Adapt `compute_nas_score(model, gpu, trainloader, resolution, batch_size) -> dict`.

    The form of ZenNAS, ZiCo, AZ-NAS and VKDNW. Arguments go by name, those that the function
    does not take are left out: `gpu` is the index of the GPU, None on a CPU; `trainloader` a
    list of `[inputs, targets]`, one a batch; `resolution` the side of an image in pixels.

    Args:
        function: As above. It must run on a CPU if the harness does: a bare `model.cuda()` in
            it fails there, and the record says so.
        part: The entry of the dict that is the score; default: all entries are parts of the
            proxy (of one entry: its score).
        options: Passed on, by name.

    Returns:
        `score(network, *batches)`. It raises KeyError where the dict has no such part,
        and TypeError where an entry is no number.
    """

    def score(network: nn.Module, *batches: Batch) -> Score:
        device = batches[0].inputs.device
        given = {
            "gpu": device.index or 0 if device.type == "cuda" else None,
            "trainloader": [[b.inputs.clone(), b.targets.clone()] for b in batches],
            "resolution": batches[0].inputs.shape[-1],
            "batch_size": len(batches[0].inputs),
        }
        takes = _parameters(function)
        given = {name: value for name, value in given.items() if name in takes}
        with _world_of_its_own(batches[0], network) as model:
            result = function(**given, **options, **{"model": model})
        if part is not None:
            return float(result[part])
        parts = {str(name): float(value) for name, value in result.items()}
        return next(iter(parts.values())) if len(parts) == 1 else parts

    return _described(score, function)


def from_measure(
    function: Callable[..., Any],
    *,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    **options: Any,
) -> ScoreFunction:
    """Adapt `measure(net, inputs, targets, ..., loss_fn, ...) -> [tensor a layer]`.

    The form of zero-cost-nas (Abdelfattah et al., ICLR 2021, arXiv:2101.08134) and NASLib. The
    first three arguments go by position, the others by name: `loss_fn`, and where the function
    takes them `split_data=1` and `mode="param"`. The score is the sum over all layers' tensors,
    as there; a number or a single tensor counts as one layer. Their networks' own methods, such
    as `get_prunable_copy`, are not there.

    Args:
        function: As above, undecorated.
        loss_fn: Of logits (B, C) and targets (B,).
        options: Passed on, by name, before the values above.

    Returns:
        `score(network, batch)`. It raises ValueError where there is no layer.
    """

    def score(network: nn.Module, batch: Batch) -> float:
        takes = _parameters(function)
        given = {"loss_fn": loss_fn, "split_data": 1, "mode": "param"}
        given = {name: value for name, value in given.items() if name in takes} | options
        with _world_of_its_own(batch, network) as net:
            result = function(net, batch.inputs.clone(), batch.targets.clone(), **given)
            layers = list(_flat(result))
        if not layers:
            raise ValueError("the measure gives no layer")
        return float(sum(layers))

    return _described(score, function)


def _flat(result: Any) -> Iterator[float]:
    """Sums of the tensors in a list, however nested, in float64."""
    if isinstance(result, Tensor):
        yield float(result.detach().sum(dtype=torch.float64))
    elif isinstance(result, Iterable) and not isinstance(result, str | Mapping | np.ndarray):
        for layer in result:
            yield from _flat(layer)
    else:
        yield float(np.sum(result, dtype=np.float64))


def _parameters(function: Callable[..., Any]) -> set[str]:
    """Names that a function takes; all that we might pass where it takes any."""
    parameters = inspect.signature(function).parameters
    names = {name for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}
    if len(names) < len(parameters):
        names |= {"gpu", "trainloader", "resolution", "batch_size", "loss_fn"}
    return names


@contextmanager
def _world_of_its_own(batch: Batch, network: nn.Module) -> Iterator[nn.Module]:
    """A copy of the network; gradients on, and generators that are put back afterwards."""
    with seeded(derive_seed("adapter", batch.seed), batch.inputs.device), torch.enable_grad():
        yield copy.deepcopy(network)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Within, PyTorch's, NumPy's and Python's generators start at a seed; all are put back."""
    cuda = [device] if device.type == "cuda" else []
    ours = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(ours[0])
        np.random.set_state(ours[1])
        if cuda:
            torch.cuda.set_device(device)  # public code calls set_device


def _described(score: ScoreFunction, function: Callable[..., Any]) -> ScoreFunction:
    """The adapted function's own name and description, for `harness list proxies`."""
    name = getattr(function, "__name__", type(function).__name__)
    score.__name__ = name
    score.__doc__ = function.__doc__ or f"{name}, adapted."
    vars(score)["__wrapped__"] = function  # whose code and file count
    return score
