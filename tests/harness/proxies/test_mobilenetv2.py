"""Every proxy on MobileNetV2 structures: equal to its literal version, and run by the engine."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmarks.mobilenetv2.architecture import KNOWN
from benchmarks.mobilenetv2.network import Network
from harness.proxies import PROXIES
from harness.scores.store import Store
from harness.scoring.engine import Request, run
from harness.scoring.initialise import initialise
from harness.scoring.jacobian import (
    scalar,
    scalar_jacobian,
    scalar_jacobian_reference,
    scalar_parameters,
)
from tests.benchmarks.mobilenetv2.walks import SMALL
from tests.harness.networks import labelled, noise, randomised
from tests.harness.proxies.test_common import NAMES, parts_of, same
from tests.reference.literals import LITERALS


@pytest.mark.parametrize("name", NAMES)
def test_equals_literal(name: str) -> None:
    proxy = PROXIES[name]
    network = randomised(Network(SMALL, 10)).train(proxy.mode == "train")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and proxy.mode == "train":
            module.reset_running_stats()
    size = 1 if proxy.input == "none" else 4
    batches = [labelled(noise(size, 32, seed=s), seed=s) for s in range(proxy.batches)]
    expected = parts_of(LITERALS[name](network, *batches))
    assert all(map(math.isfinite, expected.values()))
    assert parts_of(proxy.function(network, *batches)) == same(expected, 1e-8)


@pytest.mark.parametrize("se", [False, True], ids=["plain", "se"])
@pytest.mark.parametrize("name", ["initial", "zico-450M"])
def test_fisher_jacobian_goes_the_fast_way(
    name: str, se: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 112 tensors, of which all are taken, and 244, of which 128; depthwise convolutions too.
    network = Network(KNOWN[name], 3, se=se)
    initialise(network, "kaiming", 0)
    network.double().eval()
    images = noise(2, 32)
    names = scalar_parameters(network)
    with torch.no_grad():
        tensors = sum(1 for _ in network.parameters())
    assert len(names) == min(128, tensors)
    expected = scalar_jacobian_reference(network, images, names)
    monkeypatch.delattr(scalar, "_by_reference")
    logits, found = scalar_jacobian(network, images, names)
    torch.testing.assert_close(logits, network(images))
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)


def test_the_engine_scores_every_proxy(store: Store) -> None:
    request = Request("mobilenetv2", "imagenet-32-10", [SMALL.id], list(PROXIES), batch_size=4)
    tally = run(request, store, workers=1)
    assert not tally.failed
    assert tally.scored == len(list(PROXIES))
