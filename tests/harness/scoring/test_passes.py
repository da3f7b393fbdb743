from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.types import Batch
from harness.proxies import PROXIES, register_proxy
from harness.scores.store import Record, Store
from harness.scoring.engine import Request, run
from harness.scoring.passes import (
    apart,
    forward,
    gradients,
    input_jacobian,
    loss_gradients,
    sharing,
)
from tests.harness.networks import ALL_NONE, LARGE, MIXED, labelled, network_of, noise

NETWORK_PROXIES = [name for name in PROXIES if PROXIES[name].needs == "network"]


def scored(folder: Path, names: list[str], cells: list[str]) -> dict[tuple[str, str], Record]:
    request = Request("nasbench201", "cifar10", cells, names, batch_size=4)
    with Store(folder / f"{'-'.join(names)[:100]}.sqlite") as store:
        run(request, store, workers=1)
        return {(record.key.arch, record.key.proxy): record for record in store.records()}


def test_together_or_alone_is_bit_equal(tmp_path: Path) -> None:
    cells = [MIXED.id, ALL_NONE.id]
    together = scored(tmp_path, NETWORK_PROXIES, cells)
    backwards = scored(tmp_path, NETWORK_PROXIES[::-1], cells)
    for name in NETWORK_PROXIES:
        for key, alone in scored(tmp_path, [name], cells).items():
            for other in (together[key], backwards[key]):
                assert (other.value, other.components) == (alone.value, alone.components)
                assert other.status == alone.status


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Forward passes of NAS-Bench-201 networks, counted."""
    from benchmarks.nasbench201.network import Network  # noqa: PLC0415

    seen: list[object] = []
    features = Network.features

    def counted(self: Network, x: torch.Tensor) -> list[torch.Tensor]:
        seen.append(self)
        return features(self, x)

    monkeypatch.setattr(Network, "features", counted)
    return seen


def test_a_pass_is_computed_once_within(calls: list[object]) -> None:
    network, batch = network_of(MIXED).train(), labelled(noise(4), 10)
    with sharing() as shared:
        first = loss_gradients(network, batch)
        input_jacobian(network, batch)
        assert loss_gradients(network, batch) is first
        assert len(calls) == 1
        with apart():
            forward(network, batch)
        assert len(calls) == 2
        shared.clear()
        forward(network, batch)
        assert len(calls) == 3
    loss_gradients(network, batch)
    input_jacobian(network, batch)
    assert len(calls) == 5


def test_other_batches_and_networks_have_their_own(calls: list[object]) -> None:
    one, other = labelled(noise(4), 10), labelled(noise(4, seed=1), 10)
    with sharing():
        for network in (network_of(MIXED).train(), network_of(LARGE).train()):
            assert forward(network, one) is not forward(network, other)
    assert len(calls) == 4


def test_a_found_pass_is_credited(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("harness.scoring.passes.time.perf_counter", lambda: float(next(clock)))
    network, batch = network_of(MIXED).train(), labelled(noise(4), 10)
    with sharing() as shared:
        forward(network, batch)  # one tick
        assert shared.take_credit() == 0
        loss_gradients(network, batch)  # one tick, and the forward pass found
        assert shared.take_credit() == 1
        loss_gradients(network, batch)
        assert shared.take_credit() == 2  # what it would have cost alone
        assert shared.take_credit() == 0


def test_gradients_of_what_does_not_depend() -> None:
    x, y = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    constant = torch.ones(1)
    found = gradients((2 * x).sum(), [x, y, constant])
    assert [g.tolist() for g in found] == [[2, 2], [0, 0, 0], [0]]
    assert [g.tolist() for g in gradients(constant.sum(), [x])] == [[0, 0]]


def spoil_weight(network: nn.Module, batch: Batch) -> None:
    with torch.no_grad():
        next(network.parameters()).zero_()


def spoil_statistics(network: nn.Module, batch: Batch) -> None:
    network(batch.inputs)  # in train mode: the running statistics move


def spoil_mode(network: nn.Module, batch: Batch) -> None:
    network.eval()


def spoil_gradients(network: nn.Module, batch: Batch) -> None:
    network(batch.inputs).sum().backward()


def spoil_autograd(network: nn.Module, batch: Batch) -> None:
    network.requires_grad_(False)


def spoil_hooks(network: nn.Module, batch: Batch) -> None:
    network.register_forward_pre_hook(lambda module, arguments: (arguments[0] * 0,))


def spoil_inputs(network: nn.Module, batch: Batch) -> None:
    batch.inputs.zero_()


def spoil_and_raise(network: nn.Module, batch: Batch) -> None:
    spoil_weight(network, batch)
    raise RuntimeError("a layer broke")


@pytest.mark.usefixtures("own_proxies")
@pytest.mark.parametrize(
    "spoil",
    [
        spoil_weight, spoil_statistics, spoil_mode, spoil_gradients, spoil_autograd, spoil_hooks,
        spoil_inputs, spoil_and_raise,
    ],
)  # fmt: skip
def test_a_proxy_that_spoils_the_network_harms_no_other(
    spoil: Callable[[nn.Module, Batch], None], tmp_path: Path
) -> None:
    def vandal(network: nn.Module, batch: Batch) -> float:
        spoil(network, batch)
        return 0.0

    register_proxy("vandal", paper="none")(vandal)
    names = ["nwot", "grad_norm", "zen"]
    before = scored(tmp_path, names, [MIXED.id])
    after = scored(tmp_path, ["nwot", "vandal", "grad_norm", "zen"], [MIXED.id])
    for key, record in before.items():
        assert after[key].value == record.value


def test_batches_are_numbered(tmp_path: Path) -> None:
    """zico's second batch is another one; its first is what all proxies of images see."""
    seen: list[tuple[Batch, ...]] = []
    zico = PROXIES["zico"]
    assert zico.batches == 2

    def spy(network: nn.Module, *batches: Batch) -> float:
        seen.append(batches)
        return 0.0

    with pytest.MonkeyPatch.context() as patch:
        for name in ("zico", "snip"):
            patch.setitem(vars(PROXIES[name]), "function", spy)
        scored(tmp_path, ["zico", "snip"], [MIXED.id])
    (first, second), (alone,) = seen
    assert alone is first
    assert not torch.equal(first.inputs, second.inputs)


def test_one_proxy_has_a_batch_of_its_own(tmp_path: Path) -> None:
    request = Request(
        "nasbench201", "cifar10", [MIXED.id], ["nwot", "zen", "l2_norm"],
        batch_size=4, batch_sizes={"zen": 2},
    )  # fmt: skip
    with Store(tmp_path / "s.sqlite") as store:
        run(request, store, workers=1)
        sizes = {record.key.proxy: record.key.batch_size for record in store.records()}
    assert sizes == {"nwot": 4, "zen": 2, "l2_norm": 0}
