"""What a recipe changes in a network: norms, initial weights, classes; and labels."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.errors import InputError
from harness.inspect.describe import described
from harness.training.recipe import modifying
from harness.training.recipe.labels import classification_loss
from harness.training.recipe.protocol import Augmentation, Network, Protocol, protocol
from harness.training.run.seeding import seed_all

RECIPE = protocol("mobilenetv2_480")
CELL = protocol("nasbench201")
STRUCTURE = (
    "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,2,8,1)SuperResIDWE2K3(16,16,2,8,1)"
    "SuperResIDWE1K3(16,24,2,8,2)SuperResIDWE1K3(24,24,2,8,1)SuperConvK1BNRELU(24,64,1,1)"
)
NASBENCH201 = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"


def test_the_long_recipe_in_a_network() -> None:
    of = described(STRUCTURE, dataset="imagenet-32-10")
    network = modifying.classifier(of, RECIPE, 10)
    modules = list(network.modules())
    assert sum(type(m).__name__ == "SqueezeExcitation" for m in modules) == 10
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.01, 1e-3)}
    assert isinstance(network, modifying.ResidualUnits)
    last = network.last_norms()
    assert len(last) == 10
    for norm in norms:
        assert norm.weight.unique().tolist() == ([0.0] if any(norm is n for n in last) else [1.0])
    weights = torch.cat(
        [
            (m.weight * (m.weight[0].numel() / 2) ** 0.5).flatten()
            for m in modules
            if isinstance(m, nn.Conv2d | nn.Linear)
        ]
    )
    assert float(weights.detach().std()) == pytest.approx(1, rel=0.03)
    biases = [m.bias for m in modules if isinstance(m, nn.Conv2d | nn.Linear) if m.bias is not None]
    assert len(biases) > 1
    assert not any(b.any() for b in biases)
    # Every unit is its shortcut at first: what comes in decides what goes out, not the branch.
    unit = next(m for m in modules if type(m).__name__ == "InvertedResidual").train()
    x = torch.randn(3, 8, 16, 16)
    torch.testing.assert_close(unit(x), torch.relu(unit.get_submodule("shortcut")(x)))


def test_weights_are_drawn_from_the_global_generator() -> None:
    of = described(STRUCTURE, dataset="imagenet-32-10")
    drawn = []
    for seed in (0, 0, 1):
        seed_all("weights", seed)
        drawn.append(
            torch.cat([p.flatten() for p in modifying.classifier(of, RECIPE, 10).parameters()])
        )
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_spaces_keep_what_a_recipe_does_not_change() -> None:
    of = described(NASBENCH201)
    torch.manual_seed(0)
    plain = of.benchmark.space.network(of.architecture, "cifar10")
    torch.manual_seed(0)
    ours = modifying.classifier(of, CELL, 10)
    for (name, one), (_, other) in zip(
        plain.state_dict().items(), ours.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), name
    assert {m.momentum for m in ours.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}
    others = modifying.classifier(of, CELL, 7)
    assert others(torch.randn(2, 3, 32, 32)).shape == (2, 7)


def test_what_cannot_be_changed_is_said() -> None:
    wrong = dataclasses.replace(CELL, network=Network(init="xavier"))
    with pytest.raises(InputError, match="init 'xavier' is none of space, kaiming_zero"):
        modifying.classifier(described(NASBENCH201), wrong, 10)
    with pytest.raises(InputError, match="no linear classifier, so none for 3 classes"):
        modifying._set_classes(nn.Sequential(), 3, "x")


# ------------------------------------------------------------------ labels


def loss_of(smoothing: float, mixup: float) -> Protocol:
    return dataclasses.replace(
        CELL, label_smoothing=smoothing, augmentation=Augmentation(mixup=mixup), batch_per_gpu=6
    )


def literal(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy, in the words of its definition."""
    total = torch.zeros((), dtype=torch.float64)
    for row, share in zip(logits.double(), shares.double(), strict=True):
        total -= (share * (row - row.exp().sum().log())).sum()
    return total / len(logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_smoothed_labels(smoothing: float) -> None:
    logits, targets = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    loss = classification_loss(loss_of(smoothing, 0), 4)
    shares = functional.one_hot(targets, 4) * (1 - smoothing) + smoothing / 4
    torch.testing.assert_close(loss(logits, targets).double(), literal(logits, shares))
    torch.testing.assert_close(loss(logits, shares).double(), literal(logits, shares))
    images = torch.randn(6, 3, 2, 2)
    assert loss.mixed(images, targets) == (images, targets)


def test_mixup_mixes_images_and_labels_by_one_share() -> None:
    images, targets = torch.randn(6, 3, 4, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    kept, loss = images.clone(), classification_loss(loss_of(0.1, 0.2), 4)
    smooth = functional.one_hot(targets, 4) * 0.9 + 0.025
    found = []
    for seed in range(200):
        seed_all("step", seed)
        mixed, shares = loss.mixed(images, targets)
        share = float(((mixed - images.flip(0)) / (images - images.flip(0))).nanmedian())
        torch.testing.assert_close(mixed, share * images + (1 - share) * images.flip(0))
        torch.testing.assert_close(shares, share * smooth + (1 - share) * smooth.flip(0))
        found.append(share)
        seed_all("step", seed)
        assert torch.equal(loss.mixed(images, targets)[0], mixed)
    assert torch.equal(images, kept)
    shares = torch.tensor(found)
    # Beta(a, a): mean 1 / 2, variance 1 / (4 (2 a + 1)).
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.1)
    assert float(shares.var()) == pytest.approx(1 / (4 * 1.4), rel=0.15)


def test_labels_that_cannot_be() -> None:
    with pytest.raises(InputError, match=r"label smoothing 1\.0 is not in 0"):
        classification_loss(loss_of(1.0, 0), 4)
    odd = dataclasses.replace(loss_of(0, 0.2), batch_per_gpu=5)
    with pytest.raises(InputError, match="a batch has 5; use an even --batch-size"):
        classification_loss(odd, 4)
