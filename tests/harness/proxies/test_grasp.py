from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from harness.proxies.grasp import grasp
from tests.harness.networks import ALL_NONE, fresh, labelled, linear, noise, with_targets


def test_by_hand() -> None:
    # p = (1/2, 1/2), x = 2: g = (-1, 1), H = x^2 (diag p - p p^T) = [[1, -1], [-1, 1]],
    # H g = (-2, 2), w = (3, 1).
    batch = with_targets(torch.tensor([[2.0]]).double(), [0])
    assert grasp(linear([[3.0], [1.0]], [-4.0, 0.0]), batch) == pytest.approx(-(3 * -2 + 1 * 2))


def test_sign() -> None:
    # The step along -g changes the squared gradient by -2 g^T H g, here w = -g: score g^T H g > 0.
    batch = with_targets(torch.tensor([[2.0]]).double(), [0])
    assert grasp(linear([[1.0], [-1.0]], [-4.0, 0.0]), batch) == pytest.approx(4)
    assert grasp(linear([[-1.0], [1.0]], [4.0, 0.0]), batch) == pytest.approx(-4)


def test_hessian_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    smooth = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(144, 5)
    ).double()
    weights = [smooth.get_parameter(name) for name in ("0.weight", "4.weight")]
    with torch.no_grad():
        for w in weights:
            w.normal_(0, 0.2, generator=generator)
    batch = labelled(noise(4), classes=5)

    def gradients() -> list[Tensor]:
        loss = nn.CrossEntropyLoss()(smooth(batch.inputs), batch.targets)
        return list(torch.autograd.grad(loss, weights))

    def shifted(step: float) -> list[Tensor]:
        with torch.no_grad():
            for w, g in zip(weights, first, strict=True):
                w.add_(g, alpha=step)
        found = gradients()
        with torch.no_grad():
            for w, g in zip(weights, first, strict=True):
                w.sub_(g, alpha=step)
        return found

    first, step = gradients(), 1e-4
    expected = 0.0
    for w, plus, minus in zip(weights, shifted(step), shifted(-step), strict=True):
        expected -= float((w.detach() * (plus - minus)).sum()) / (2 * step)
    assert grasp(smooth, batch) == pytest.approx(expected, rel=1e-5)


def test_disconnected_cell_scores_zero() -> None:
    assert grasp(fresh(ALL_NONE), labelled(noise(4))) == 0
