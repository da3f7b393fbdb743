"""The learning rate is the table's formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmarks.errors import InputError
from harness.training.recipe.optimising import optimiser
from harness.training.recipe.protocol import protocol
from harness.training.recipe.rates import Rates, scale

STEPS = 100


def rates(name: str, gpus: int, epochs: int | None = None) -> tuple[Rates, int]:
    chosen = protocol(name).changed(epochs=epochs)
    made = optimiser(nn.Linear(2, 2), chosen, gpus)
    return Rates(made, chosen, STEPS, gpus), chosen.epochs * STEPS


def warm(step: int, gpus: int, peak: float, length: int = 5 * STEPS) -> float:
    return gpus * (1e-7 + (peak - 1e-7) * step / length)


@pytest.mark.parametrize("gpus", [1, 8])
def test_classification_is_a_cosine_with_a_floor(gpus: int) -> None:
    found, total = rates("uninas_classification", gpus)
    for step in (0, 1, 250, 499):
        assert found.set(step) == pytest.approx(warm(step, gpus, 1e-4), rel=1e-9)
    for step in (500, 7_500, total - 1):
        cosine = 1e-6 + (1e-4 - 1e-6) * (1 + math.cos(math.pi * step / total)) / 2
        assert found.set(step) == pytest.approx(gpus * cosine, rel=1e-9)


@pytest.mark.parametrize("gpus", [1, 4])
def test_detection_falls_at_its_milestones_to_the_floor(gpus: int) -> None:
    found, total = rates("uninas_detection", gpus)
    assert found.set(250) == pytest.approx(warm(250, gpus, 2.5e-5))
    assert found.set(500) == found.set(799) == pytest.approx(gpus * 2.5e-5)
    assert found.set(800) == found.set(1_099) == pytest.approx(gpus * 2.5e-6)
    assert found.set(1_100) == found.set(total - 1) == pytest.approx(gpus * 2.5e-6)


def test_segmentation_is_linear_to_zero() -> None:
    found, total = rates("uninas_segmentation", 8)
    assert found.set(100) == pytest.approx(warm(100, 8, 1.5e-5))
    for step in (500, 6_250, total - 1):
        assert found.set(step) == pytest.approx(8 * 1.5e-5 * (1 - step / total), rel=1e-9)


def test_benchmarks_have_their_own_scale() -> None:
    assert scale(protocol("nasbench201"), 4) == 1
    assert scale(protocol("nasbench101"), 2) == 2  # published: 0.2 on two shards
    found, total = rates("nasbench201", 4)
    assert found.set(0) == pytest.approx(0.1)
    assert found.set(total // 2) == pytest.approx(0.05)


def test_fewer_epochs_keep_the_shape() -> None:
    found, total = rates("uninas_detection", 1, epochs=6)
    assert total == 600
    assert found.set(249) == pytest.approx(warm(249, 1, 2.5e-5, length=250))
    assert found.set(399) == pytest.approx(2.5e-5)
    assert found.set(400) == pytest.approx(2.5e-6)


def test_weight_decay_spares_what_the_protocol_spares() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    for name, all_decay in (("uninas_classification", False), ("nasbench201", True)):
        made = optimiser(network, protocol(name), 1)
        decay = {id(p): g["weight_decay"] for g in made.param_groups for p in g["params"]}
        expected = protocol(name).optimiser.weight_decay
        for parameter in network.parameters():
            spared = not all_decay and parameter.ndim == 1
            assert decay[id(parameter)] == (0 if spared else expected)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("uninas_detection", "AdamW"), ("nasbench201", "SGD"), ("nasbench101", "RMSpropTF")],
)
def test_the_optimiser_is_the_table_s(name: str, kind: str) -> None:
    made = optimiser(nn.Linear(2, 2), protocol(name), 1)
    assert type(made).__name__ == kind
    group = made.param_groups[0]
    assert group["lr"] == pytest.approx(protocol(name).rate.peak)
    if kind == "SGD":
        assert group["nesterov"] is True
    if kind == "RMSpropTF":
        assert (group["eps"], group["momentum"]) == (1.0, 0.9)


def test_unknown_words_are_refused() -> None:
    base = protocol("nasbench201")
    wrong = base.changed(rate=base.rate.__class__("sawtooth", 0.1, per="run"))
    made = torch.optim.SGD(nn.Linear(2, 2).parameters(), 0.1)
    with pytest.raises(InputError, match="'sawtooth' is none of cosine"):
        Rates(made, wrong, STEPS, 1)
    wrong = base.changed(rate=base.rate.__class__("cosine", 0.1, per="month"))
    with pytest.raises(InputError, match="'month' is none of gpu"):
        scale(wrong, 1)
