"""The architecture's network as a protocol trains it, and as heads stand on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.errors import InputError
from harness.inspect.describe import described
from harness.training.recipe import backbones
from harness.training.recipe.protocol import Network, protocol
from harness.training.run import checkpoints
from harness.training.types import Staged

SEGMENTATION = protocol("uninas_segmentation")
CELL = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"
MODELS = ("4-4:8-16-96-96:R/E/T/T", "initial")


@pytest.mark.parametrize("text", MODELS)
def test_every_parameter_of_a_backbone_is_reached(text: str) -> None:
    of = described(text, dataset="imagenet-64-7")
    made = backbones.backbone(of, SEGMENTATION)
    assert isinstance(made, Staged)
    maps = made.stages(torch.randn(2, 3, 96, 64))
    expected = zip(made.stage_channels, (4, 8, 16, 32), strict=True)
    assert [tuple(m.shape[1:]) for m in maps] == [(c, 96 // s, 64 // s) for c, s in expected]
    torch.stack([m.mean() for m in maps]).sum().backward()
    trained = {name: p for name, p in made.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None] == []
    whole = dict(backbones.network(of, SEGMENTATION).named_parameters())
    beyond = set(whole) - set(dict(made.named_parameters()))
    assert {"classifier.weight", "classifier.bias"} <= beyond
    assert all(name.startswith(("classifier.", "norm.", "blocks.5.")) for name in beyond)


@pytest.mark.parametrize("text", MODELS)
def test_drop_path_of_the_protocol_is_on_in_training_only(text: str) -> None:
    of = described(text, dataset="imagenet-64-7")
    x = torch.randn(4, 3, 64, 64)
    for rate in (0.0, 0.5):
        made = backbones.backbone(of, replace(SEGMENTATION, network=Network(drop_path=rate)))
        assert isinstance(made, Staged)
        for norm in made.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.momentum = 0.0
        twice = [made.stages(x)[-1] for _ in range(2)]
        assert twice[0].equal(twice[1]) == (rate == 0)
        made.eval()
        assert made.stages(x)[-1].equal(made.stages(x)[-1])


def test_squeeze_and_excitation_where_the_space_has_it() -> None:
    both = replace(SEGMENTATION, network=Network(drop_path=0.1, se=True))
    of = described("initial", dataset="imagenet-64-7")
    for settings in (both, replace(both, network=Network(se=True))):
        names = [type(m).__name__ for m in backbones.network(of, settings).modules()]
        assert "SqueezeExcitation" in names
    assert backbones.notes(of, both) == []
    uninas = described(MODELS[0], dataset="imagenet-64-7")
    assert "uninas has none" in backbones.notes(uninas, both)[0]
    backbones.network(uninas, both)


def test_cells_have_no_four_stages_and_no_drop_path() -> None:
    of = described(CELL)
    assert "no drop path (0.3 in the protocol)" in backbones.notes(of, SEGMENTATION)[0]
    with pytest.raises(InputError, match="networks of nasbench201 have none such"):
        backbones.backbone(of, SEGMENTATION)


def test_fewer_stages_are_refused() -> None:
    of = described("4-4:8-8:R/R", dataset="imagenet-64-7")
    with pytest.raises(InputError, match="has 2 of them; use one with four stages"):
        backbones.backbone(of, SEGMENTATION)


def test_weights_of_a_classifier_of_other_images_are_taken(tmp_path: Path) -> None:
    name, path = MODELS[0], tmp_path / "weights.pt"
    of = described(name, dataset="imagenet-64-10")
    trained = backbones.network(of, SEGMENTATION)
    about = {"space": "uninas", "architecture": of.architecture.id}
    checkpoints.save_weights(path, trained, about)
    larger = backbones.backbone(described(name, dataset="imagenet-128-7"), SEGMENTATION)
    kept = checkpoints.load_weights(path, larger, "uninas", of.architecture.id)
    assert kept == []
    images = torch.randn(1, 3, 128, 128)
    assert isinstance(trained, Staged)
    assert isinstance(larger, Staged)
    trained.eval()
    larger.eval()
    for ours, theirs in zip(larger.stages(images), trained.stages(images), strict=True):
        torch.testing.assert_close(ours, theirs)
