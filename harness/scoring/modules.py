"""Scores of anybody's `nn.Module`, outside every benchmark.

The module is copied for every proxy and never changed; the global random state is put back.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from benchmarks.errors import InputError
from benchmarks.types import Batch, derive_seed
from harness.proxies import PROXIES, Proxy, Score
from harness.scores.store import Key
from harness.scoring.adapters import seeded
from harness.scoring.asked import Seen, lacking, look
from harness.scoring.devices import devices_of
from harness.scoring.initialise import initialise
from harness.scoring.lending import judged

Weights = Literal["drawn", "kept"]


class ModuleScore(NamedTuple):
    """What one proxy says of a module.

    Attributes:
        name: As it was asked for.
        status: "ok", "nan", "inf", "-inf", "error", or "unsupported" where the module lacks
            what the proxy reads.
        value: The score where the status is "ok"; None of a proxy that has only parts.
        parts: Its finite parts.
        message: Why there is no score.
        seconds: Wall time of the proxy itself.
    """

    name: str
    status: str
    value: float | None
    parts: Mapping[str, float]
    message: str
    seconds: float


def score_module(
    module: nn.Module,
    proxies: Sequence[str],
    *,
    input_shape: Sequence[int] = (3, 32, 32),
    classes: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    weights: Weights = "drawn",
    images: tuple[Tensor, Tensor] | None = None,
    device: str = "cpu",
) -> list[ModuleScore]:
    """Score a module that gives logits (B, classes).

    `params`, `flops` and `layers` are counted: trainable parameters, multiply-accumulates of the
    convolutions and linear layers that are called, trainable parameter tensors. A module that is
    frozen whole counts as trainable.

    Args:
        module: Copied; computes in float32, in the mode that each proxy wants.
        proxies: Names of proxies, or of parts as `<proxy>.<part>`.
        input_shape: Of one input, without the batch.
        classes: How many logits it must give; default: as many as it gives.
        batch_size: Inputs in a batch.
        seed: Of weights, noise, and whatever the module draws itself.
        weights: "drawn": by the initialisation that each proxy wants, as in the benchmarks;
            parameters whose module has no way to reset them stay. "kept": as they are.
        images: Inputs (N, *input_shape), normalised, and their classes (N,), for the proxies that
            prefer real images; the first batch_size of them make a batch, the next the second.
            Default: noise with random classes.
        device: "cpu", "cuda" or "cuda:N".

    Returns:
        One row a name, in their order.

    Raises:
        InputError: A name is unknown or no proxy of single networks, the module cannot be copied
            or run on such inputs, gives no logits, or the options do not fit.
    """
    wanted = {name: _asked_for(name) for name in proxies}
    place = torch.device(devices_of(device)[0])
    shape = tuple(input_shape)
    _check(shape, batch_size, seed, weights)
    with seeded(derive_seed("module", seed), place):
        seen = look(_copied(module, place), _noise(shape, 2, seed, 0).to(place))
    found = seen.logits.shape[1]
    if classes not in (None, found):
        raise InputError(f"the network gives {found} logits, not {classes}; correct classes")
    if images is not None:
        _check_images(images, shape, found)
    scorer = _Scorer(module, seen, shape, found, batch_size, seed, weights, images, place)
    results = {proxy.name: proxy for proxy, _ in wanted.values()}
    scored = {name: scorer.score(proxy) for name, proxy in results.items()}
    return [_part(name, part, scored[proxy.name]) for name, (proxy, part) in wanted.items()]


def _asked_for(name: str) -> tuple[Proxy, str | None]:
    """Proxy and part that a name means.

    Raises:
        InputError: It means none.
    """
    proxy_name, _, part_name = name.partition(".")
    try:
        proxy = PROXIES[proxy_name]
    except InputError as error:
        raise InputError(
            f"{name!r} is no proxy of a single network; aggregates, models and formulas rank a set "
            f"of architectures, and imported scores come from a file: {error}"
        ) from error
    part = part_name or None
    if part is not None and proxy.parts is not None and part not in proxy.parts:
        there = ", ".join(proxy.parts) or "none"
        raise InputError(f"{proxy.name} has no part {part!r}; its parts: {there}")
    return proxy, part


def _part(name: str, part: str | None, whole: ModuleScore) -> ModuleScore:
    if part is None:
        return whole._replace(name=name)
    value = whole.parts.get(part)
    if value is not None:
        return ModuleScore(name, "ok", value, {}, "", whole.seconds)
    status, message = whole.status, whole.message
    if status == "ok":
        status, message = "error", f"the proxy gave no finite part {part!r}"
    return ModuleScore(name, status, None, {}, message, whole.seconds)


def _check(shape: tuple[int, ...], batch_size: int, seed: int, weights: str) -> None:
    if not shape or not all(isinstance(side, int) and side > 0 for side in shape):
        raise InputError(f"input_shape {shape} must be positive numbers, as (3, 32, 32)")
    if batch_size < 2:
        raise InputError(f"batch size {batch_size} is too small; proxies need at least 2")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed} is not in 0..{2**32 - 1}; choose another")
    if weights not in ("drawn", "kept"):
        raise InputError(f"weights {weights!r} must be 'drawn' or 'kept'")


def _check_images(images: tuple[Tensor, Tensor], shape: tuple[int, ...], classes: int) -> None:
    inputs, targets = images
    if tuple(inputs.shape[1:]) != shape or not inputs.is_floating_point() or len(inputs) < 2:
        raise InputError(
            f"images are {inputs.dtype} of shape {tuple(inputs.shape)}; give at least two, "
            f"normalised, of the input_shape {shape}"
        )
    fits = targets.shape == (len(inputs),) and not targets.is_floating_point()
    if not fits or not 0 <= int(targets.min()) <= int(targets.max()) < classes:
        raise InputError(
            f"the images' classes must be {len(inputs)} whole numbers in 0..{classes - 1}, as many "
            "as the network gives logits"
        )


def _copied(module: nn.Module, device: torch.device) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise InputError(f"{type(module).__name__} is no nn.Module; give a network")
    if any(isinstance(p, UninitializedParameter) for p in module.parameters()):
        raise InputError("the network has lazy modules that have met no input; run it once")
    try:
        copied = copy.deepcopy(module).float().to(device)
        if not any(p.requires_grad for p in copied.parameters()):
            copied.requires_grad_(True)  # frozen whole, say to be served: the copy is ours alone
        return copied
    except Exception as error:
        raise InputError(
            f"the network cannot be copied ({type(error).__name__}: {error}); give "
            "one that holds no results of earlier passes"
        ) from error


def _noise(shape: tuple[int, ...], size: int, seed: int, index: int) -> Tensor:
    # RandomState's streams are frozen, where Generator's may change with NumPy's version.
    rng = np.random.RandomState([seed, index])
    return torch.from_numpy(rng.standard_normal((size, *shape)).astype(np.float32))


class _Scorer:
    """One module and its protocol; proxies come one by one, each to a copy of its own."""

    def __init__(
        self,
        module: nn.Module,
        seen: Seen,
        shape: tuple[int, ...],
        classes: int,
        batch_size: int,
        seed: int,
        weights: Weights,
        images: tuple[Tensor, Tensor] | None,
        device: torch.device,
    ) -> None:
        self._module, self._seen, self._shape, self._classes = module, seen, shape, classes
        self._batch_size, self._seed, self._weights = batch_size, seed, weights
        self._images, self._device = images, device

    def score(self, proxy: Proxy) -> ModuleScore:
        """What a proxy gives, or why it gives nothing."""
        message = lacking(proxy, self._seen) or self._too_few(proxy)
        if message:
            return ModuleScore(proxy.name, "unsupported", None, {}, message, 0.0)
        size = 0 if proxy.input == "none" else self._batch_size
        key = Key("", "", "", proxy.name, proxy.version, self._seed, size, proxy.input, proxy.init)
        evaluate = functools.partial(self._evaluation, proxy)
        try:
            # Dropout and its like draw from the seed.
            with seeded(derive_seed("module", self._seed), self._device), torch.enable_grad():
                record = judged(key, evaluate, str(self._device))
        except InputError as error:
            return ModuleScore(proxy.name, "error", None, {}, str(error), 0.0)
        parts = dict(record.components)
        return ModuleScore(
            proxy.name, record.status, record.value, parts, record.message, record.seconds
        )

    def _evaluation(self, proxy: Proxy) -> Callable[[], Score]:
        """The proxy's function with all that it takes."""
        if proxy.needs == "costs":
            return functools.partial(proxy.function, self._seen.costs)
        network = copy.deepcopy(self._module).float().cpu()
        if self._weights == "drawn" and proxy.init != "none":
            _draw(network, proxy.init, derive_seed("weights", "module", self._seed, proxy.init))
        network.to(self._device).train(proxy.mode == "train")
        batches = [self._batch(proxy, index) for index in range(proxy.batches)]
        return functools.partial(proxy.function, network, *batches)

    def _batch(self, proxy: Proxy, index: int) -> Batch:
        size = 1 if proxy.input == "none" else self._batch_size
        seed = derive_seed("module", self._seed, index)
        if proxy.input == "images" and self._images is not None:
            size = min(size, len(self._images[0]))
            part = slice(index * size, (index + 1) * size)
            inputs, targets = self._images[0][part].float(), self._images[1][part].long()
            source = "images"
        else:
            inputs, source = _noise(self._shape, size, self._seed, index), "gaussian"
            rng = np.random.RandomState([self._seed, index, 1])
            targets = torch.from_numpy(rng.randint(0, self._classes, size, dtype=np.int64))
        # Clones: a proxy that writes into its batch writes into nobody else's images.
        inputs, targets = inputs.detach().clone(), targets.detach().clone()
        return Batch(inputs.to(self._device), targets.to(self._device), source, seed)

    def _too_few(self, proxy: Proxy) -> str:
        if self._images is None or proxy.input != "images":
            return ""
        there = len(self._images[0])
        needed = proxy.batches * min(self._batch_size, there)
        if there >= needed:
            return ""
        return (
            f"{proxy.name} takes {proxy.batches} batches of {self._batch_size}, and there are "
            f"{there} images; give {proxy.batches * self._batch_size}, or a smaller batch_size"
        )


def _draw(network: nn.Module, scheme: str, seed: int) -> None:
    """As `initialise`; and attention, whose own way to reset itself has another name."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if isinstance(module, nn.MultiheadAttention):
                module._reset_parameters()
    initialise(network, scheme, seed)
