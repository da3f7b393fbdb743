from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks import inputs
from harness.scoring.adapters import from_compute_nas_score, from_measure
from harness.scoring.initialise import initialise
from tests.harness.networks import MIXED, SPACE

DATASET = SPACE.dataset("ImageNet16-120")


@pytest.fixture
def network() -> nn.Module:
    made = SPACE.network(MIXED, "ImageNet16-120")
    initialise(made, "kaiming", 0)
    return made.train()


def compute_nas_score(
    model: Any, gpu: int | None, trainloader: Any, resolution: int, batch_size: int
) -> dict[str, Any]:
    """A foreign score, which treats the network as public code does.

    It sets weights anew from the global generator.
    """
    model.eval()
    for parameter in model.parameters():
        parameter.data.normal_()
    model.left_behind = MethodType(lambda self: self, model)
    model.register_forward_hook(lambda *args: None)
    batch = next(iter(trainloader))
    if type(batch) is list:  # as there
        batch = batch[0]
    batch.requires_grad_(True)
    model(batch).sum().backward()
    batch.data.zero_()
    first = next(model.parameters())
    draws = float(torch.rand(1)) + random.random() + float(np.random.rand())
    return {
        "gradient": np.float32(first.grad.norm().item()),
        "draws": draws,
        "facts": 1000 * resolution + 10 * batch_size + (gpu is None),
        "batches": len(trainloader),
    }


def state_of(network: nn.Module) -> Mapping[str, Any]:
    return {
        "weights": copy.deepcopy(network.state_dict()),
        "gradients": [p.grad is None for p in network.parameters()],
        "modes": [m.training for m in network.modules()],
        "hooks": [len(m._forward_hooks) for m in network.modules()],
        "attributes": [sorted(vars(m)) for m in network.modules()],
    }


def assert_untouched(network: nn.Module, before: Mapping[str, Any]) -> None:
    after = state_of(network)
    for name, value in before["weights"].items():
        assert torch.equal(value, after["weights"][name])
    assert {k: v for k, v in before.items() if k != "weights"} == {
        k: v for k, v in after.items() if k != "weights"
    }


def test_compute_nas_score(network: nn.Module) -> None:
    batches = [inputs.batch("gaussian", DATASET, 4, 0, index) for index in range(2)]
    before, images = state_of(network), batches[0].inputs.clone()
    generators = torch.get_rng_state(), random.getstate()
    theirs = np.random.RandomState(5).get_state()
    score = from_compute_nas_score(compute_nas_score)
    found = score(network, *batches)
    assert isinstance(found, dict)
    assert set(found) == {"gradient", "draws", "facts", "batches"}
    assert (found["facts"], found["batches"]) == (16041, 2)
    assert all(type(value) is float for value in found.values())
    # A function of the batch's seed, whatever the global generators have given before.
    torch.rand(3), random.random(), np.random.rand()
    assert score(network, *batches) == found
    other = [inputs.batch("gaussian", DATASET, 4, 1, index) for index in range(2)]
    assert score(network, *other) != found

    assert_untouched(network, before)
    assert torch.equal(batches[0].inputs, images)
    assert not batches[0].inputs.requires_grad
    assert score.__doc__ == compute_nas_score.__doc__
    torch.set_rng_state(generators[0])
    random.setstate(generators[1])
    np.random.set_state(theirs)
    score(network, *batches)
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert random.getstate() == generators[1]
    assert np.random.rand() == np.random.RandomState(5).rand()


def test_one_part(network: nn.Module) -> None:
    batch = inputs.batch("gaussian", DATASET, 2, 0)
    facts = from_compute_nas_score(compute_nas_score, part="facts")
    assert facts(network, batch) == 16021.0
    with pytest.raises(KeyError, match="nothing"):
        from_compute_nas_score(compute_nas_score, part="nothing")(network, batch)

    # Other orders and fewer arguments, as some repositories have them; one entry is the score.
    def gpu_first(gpu: int | None, model: Any, resolution: int, repeat: int) -> dict[str, float]:
        return {"avg_nas_score": float(resolution * repeat)}

    assert from_compute_nas_score(gpu_first, repeat=3)(network, batch) == 48.0


def snip(
    net: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    mode: str,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    split_data: int = 7,
) -> list[Tensor]:
    """|weight * gradient| by layer."""
    assert (mode, split_data) == ("param", 1)
    net.zero_grad()
    loss_fn(net(inputs), targets).backward()
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return [(m.weight * m.weight.grad).abs() for m in layers if m.weight.grad is not None]


def test_measure(network: nn.Module) -> None:
    batch = inputs.batch("gaussian", DATASET, 4, 0)
    before = state_of(network)
    found = from_measure(snip)(network, batch)
    assert_untouched(network, before)

    reference = copy.deepcopy(network)
    layers = snip(reference, batch.inputs, batch.targets, "param", nn.functional.cross_entropy, 1)
    assert found == pytest.approx(sum(layer.double().sum().item() for layer in layers))
    with torch.no_grad():  # whatever the caller's mode
        assert from_measure(snip)(network, batch) == found


@pytest.mark.parametrize(
    ("result", "total"),
    [
        ([torch.ones(2, 3), torch.tensor(1.0)], 7.0),
        ([[torch.ones(2)], [torch.ones(1), 2]], 5.0),
        (3.5, 3.5),
        (np.float32(0.5), 0.5),
        (torch.full((10_000_001,), 1.0), 10_000_001.0),
    ],
)
def test_results_of_measures(network: nn.Module, result: Any, total: float) -> None:
    score = from_measure(lambda net, inputs, targets: result)
    assert score(network, inputs.batch("gaussian", DATASET, 2, 0)) == total


def test_measure_without_layers(network: nn.Module) -> None:
    score = from_measure(lambda net, inputs, targets, loss_fn: [])
    with pytest.raises(ValueError, match="no layer"):
        score(network, inputs.batch("gaussian", DATASET, 2, 0))
