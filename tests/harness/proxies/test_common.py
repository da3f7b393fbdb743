"""Laws that every proxy of a network obeys, whatever it measures."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.nasbench201.architecture import Cell
from benchmarks.types import Batch
from harness.proxies import PROXIES, Proxy
from harness.scoring.passes import sharing
from tests.harness.networks import (
    ALL_NONE,
    ALL_SKIP,
    IDENTITY,
    MIXED,
    Padding,
    fresh,
    labelled,
    network_of,
    noise,
    odd,
    random_cells,
    state_of,
)
from tests.reference.literals import LITERALS

Parts = Mapping[str, float]

NAMES = [name for name in PROXIES if PROXIES[name].needs == "network"]
#: These need a network with `features` or `pre_gap`, or (the Jacobian) in eval mode.
NEEDS_MAPS = {"az_nas", "zen", "vkdnw", "vkdnw_exact"}
every_proxy = pytest.mark.parametrize("name", NAMES)


#: Images in 2x2 pixels are constant after a pooling: then batch norms of single images leave
#: gradients of nothing but rounding errors, whose signs differ from one sum to the next.
RESOLUTION = {"gradsign": 16}

#: Relative difference between single and double precision. What differentiates through ReLUs
#: jumps when rounding switches one; `plain` is a small rest of large terms.
SINGLE = {
    "az_nas": 1e-3,
    "l2_norm": 1e-6,
    "nwot": 1e-3,
    "synflow": 1e-6,
    "vkdnw": 1e-3,
    "vkdnw_exact": 1e-3,
    "zen": 1e-4,
    "plain": 1.0,
}


def network_for(proxy: Proxy, cell: Cell, seed: int = 0) -> nn.Module:
    """Random weights in the proxy's mode; in train mode with the running statistics of a fresh
    network, from which `zen` starts."""
    network = network_of(cell, seed=seed).train(proxy.mode == "train")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and proxy.mode == "train":
            module.reset_running_stats()
    return network


def batches_for(proxy: Proxy, size: int = 4, seed: int = 0) -> list[Batch]:
    size = 1 if proxy.input == "none" else size
    seeds = range(100 * seed, 100 * seed + proxy.batches)
    resolution = RESOLUTION.get(proxy.name, 8)
    return [labelled(noise(size, resolution, seed=s), seed=s) for s in seeds]


def parts_of(result: Any) -> dict[str, float]:
    parts = dict(result) if isinstance(result, Mapping) else {"score": result}
    assert all(isinstance(value, (float, int)) for value in parts.values())
    return parts


def score(name: str, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
    return parts_of(PROXIES[name].function(network, *batches))


def mixed(name: str) -> tuple[nn.Module, list[Batch]]:
    """A network and what else the proxy takes, the same at each call."""
    return network_for(PROXIES[name], MIXED), batches_for(PROXIES[name])


@functools.cache
def mixed_score(name: str) -> dict[str, float]:
    return score(name, *mixed(name))


def same(expected: Parts, rel: float) -> Any:
    """Approximately `expected`; spectra hold values far below their largest."""
    scale = max((abs(v) for v in expected.values() if math.isfinite(v)), default=0.0)
    return pytest.approx(dict(expected), rel=rel, abs=1e-3 * rel * scale, nan_ok=True)


def test_every_proxy_has_a_literal_version() -> None:
    assert sorted(LITERALS) == sorted(NAMES)


@pytest.mark.parametrize("seed", range(2))
@every_proxy
def test_equals_literal(name: str, seed: int) -> None:
    proxy = PROXIES[name]
    (cell,) = random_cells(1, seed + 10)
    network, batches = network_for(proxy, cell, seed), batches_for(proxy, seed=seed)
    expected = parts_of(LITERALS[name](network, *batches))
    assert all(map(math.isfinite, expected.values()))
    assert score(name, network, batches) == same(expected, 1e-9)


@pytest.mark.parametrize("padding_mode", ["zeros", "circular"])
@pytest.mark.parametrize("name", [n for n in NAMES if n not in NEEDS_MAPS])
def test_odd_network_equals_literal(name: str, padding_mode: Padding) -> None:
    network = odd(padding_mode)
    batches = batches_for(PROXIES[name])
    expected = parts_of(LITERALS[name](network, *batches))
    before = state_of(network)
    assert score(name, network, batches) == same(expected, 1e-9)
    assert state_of(network) == before


def remember_gradients(network: nn.Module) -> None:
    """Half of the parameters have a gradient already."""
    for index, p in enumerate(network.parameters()):
        if index % 2:
            p.grad = torch.full_like(p, float(index))


@every_proxy
def test_leaves_nothing_behind(name: str) -> None:
    proxy = PROXIES[name]
    network, batches = network_of(MIXED).train(proxy.mode == "train"), batches_for(proxy)
    remember_gradients(network)
    copies = [(b.inputs.clone(), b.targets.clone()) for b in batches]
    before, random_state = state_of(network), torch.get_rng_state()
    score(name, network, batches)
    assert state_of(network) == before
    assert torch.get_rng_state().equal(random_state)
    for batch, (inputs, targets) in zip(batches, copies, strict=True):
        assert batch.inputs.equal(inputs)
        assert batch.targets.equal(targets)
        assert not batch.inputs.requires_grad
        assert batch.inputs.grad is None


@every_proxy
def test_scores_without_gradients_enabled(name: str) -> None:
    with torch.no_grad():
        found = score(name, *mixed(name))
    assert found == mixed_score(name)


class Breaks(nn.Module):
    """Raises going forward, or only going backward."""

    def __init__(self, *, backward: bool) -> None:
        super().__init__()
        self.backward = backward

    def forward(self, x: Tensor) -> Tensor:
        if not self.backward:
            raise RuntimeError("a layer broke")
        broken: Tensor = _BreaksBackward.apply(x)  # type: ignore[no-untyped-call]
        return broken


class _BreaksBackward(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        raise RuntimeError("a layer broke")


NO_FORWARD = {"l2_norm"}
NO_BACKWARD = {"l2_norm", "nwot", "zen"}


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@every_proxy
def test_leaves_nothing_behind_after_an_error(name: str, backward: bool) -> None:
    if name in (NO_BACKWARD if backward else NO_FORWARD):
        return
    proxy = PROXIES[name]
    network, batches = network_of(MIXED).train(proxy.mode == "train"), batches_for(proxy)
    blocks = network.get_submodule("blocks")
    assert isinstance(blocks, nn.ModuleList)
    blocks[14] = Breaks(backward=backward).train(network.training)
    remember_gradients(network)
    before = state_of(network)
    with pytest.raises(RuntimeError, match="a layer broke"):
        score(name, network, batches)
    assert state_of(network) == before


@every_proxy
def test_returns_the_declared_parts(name: str) -> None:
    proxy = PROXIES[name]
    assert proxy.parts is not None
    assert list(mixed_score(name)) == [*(["score"] if proxy.has_score else []), *proxy.parts]


@every_proxy
def test_depends_on_the_key_alone(name: str) -> None:
    torch.manual_seed(1)
    expected = mixed_score(name)
    torch.manual_seed(2)
    network, batches = mixed(name)
    assert score(name, network, batches) == expected
    assert score(name, network, batches) == expected


def test_shared_passes_change_no_score() -> None:
    network = network_for(PROXIES["zico"], MIXED)
    batches = batches_for(PROXIES["zico"])
    names = [name for name in NAMES if PROXIES[name].mode == "train"]
    alone = {name: score(name, network, batches[: PROXIES[name].batches]) for name in names}
    before = state_of(network)
    with sharing():
        for name in (*names, *reversed(names)):
            found = score(name, network, batches[: PROXIES[name].batches])
            assert found == same(alone[name], 1e-9), name
    assert state_of(network) == before


@every_proxy
def test_single_precision_is_enough(name: str) -> None:
    proxy = PROXIES[name]
    network, batches = fresh(MIXED).train(proxy.mode == "train"), batches_for(proxy)
    double = score(name, network, batches)
    single = score(
        name,
        network.float(),
        [replace(b, inputs=b.inputs.float()) for b in batches],
    )
    assert single == same(double, SINGLE.get(name, 0.05))


@every_proxy
def test_memory_format_does_not_matter(name: str) -> None:
    network, batches = mixed(name)
    last = torch.channels_last
    found = score(
        name,
        network.to(memory_format=last),  # type: ignore[call-overload]
        [replace(b, inputs=b.inputs.to(memory_format=last)) for b in batches],
    )
    assert found == same(mixed_score(name), 1e-9)


@pytest.mark.parametrize("cell", [ALL_NONE, ALL_SKIP, IDENTITY], ids=["none", "skip", "identity"])
@every_proxy
def test_degenerate_cells_equal_literal(name: str, cell: Cell) -> None:
    # Zeros, infinities and NaN are answers too, and the same ones.
    proxy = PROXIES[name]
    network, batches = fresh(cell).train(proxy.mode == "train"), batches_for(proxy)
    expected = parts_of(LITERALS[name](network, *batches))
    found = score(name, network, batches)
    assert {k: finite_or_worst(v) for k, v in found.items()} == same(
        {k: finite_or_worst(v) for k, v in expected.items()}, 1e-9
    )


def finite_or_worst(value: float) -> float:
    """-inf and NaN rank alike: behind all others."""
    assert value != math.inf
    return value if math.isfinite(value) else -math.inf


#: Whose score is one of the set of samples; others add noise sample by sample.
SETS = ["epe_nas", "fisher", "grad_norm", "gradsign", "grasp", "jacov", "nwot", "plain", "snip"]


@pytest.mark.parametrize("name", [*SETS, "zico"])
def test_order_of_the_samples_does_not_matter(name: str) -> None:
    network, batches = mixed(name)
    order = [3, 0, 1, 2]
    shuffled = [replace(b, inputs=b.inputs[order], targets=b.targets[order]) for b in batches]
    assert score(name, network, shuffled) == same(mixed_score(name), 1e-7)


TARGETED = ["epe_nas", "fisher", "grad_norm", "gradsign", "grasp", "plain", "snip", "zico"]


@every_proxy
def test_targets_matter_where_they_should(name: str) -> None:
    network, batches = mixed(name)
    others = [replace(b, targets=torch.tensor([0, 0, 1, 1])[: len(b.targets)]) for b in batches]
    equal = score(name, network, others) == mixed_score(name)
    assert equal == (name not in TARGETED)
