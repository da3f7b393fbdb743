"""UniNAS networks: the block's formula, weights, modes, and the known networks in training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.errors import InputError
from benchmarks.uninas.architecture import KNOWN, Model, Place, known_block
from benchmarks.uninas.costs import counts as size_of
from benchmarks.uninas.network import BlockModule, Network
from benchmarks.uninas.space import UniNASSpace
from tests.benchmarks.uninas.models import built, images, learn, small

SPACE = UniNASSpace()


@pytest.mark.parametrize("name", ["resnet", "efficientnet", "transformer", "coatnet"])
def test_known_networks_train_a_step(name: str) -> None:
    model = replace(KNOWN[name], img_size=64)
    network, inputs = built(model).train(), images(model)
    counts = size_of(model)
    assert sum(p.numel() for p in network.parameters()) == counts.params
    before = learn(network, inputs)
    live = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in live)
    norm = nn.utils.clip_grad_norm_(live, 1.0)
    assert norm > 0
    with torch.no_grad():
        for p in live:
            assert p.grad is not None
            p.sub_(p.grad, alpha=1e-3)
    assert learn(network, inputs) < before


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_features_pre_gap_and_logits_agree(training: bool) -> None:
    model = small("ET/R")
    network, inputs = built(model).train(training), images(model, 3)
    maps = network.features(inputs)
    shapes = [(3, 4, 8, 8), (3, 96, 4, 4), (3, 96, 4, 4), (3, 96, 2, 2)]
    assert [tuple(m.shape) for m in maps] == shapes
    pre_gap = network.pre_gap(inputs)
    weight, bias = network.classifier.parameters()
    logits = pre_gap.mean((2, 3)) @ weight.T + bias
    torch.testing.assert_close(network(inputs), logits)
    torch.testing.assert_close(network.head(maps[-1]), logits)


@pytest.mark.parametrize("c_in", [8, 96])
def test_a_block_computes_its_formula(c_in: int) -> None:
    block = BlockModule(known_block("E", 96), Place(c_in, (96, 4, 4), True)).double().eval()
    x = torch.randn(2, c_in, 8, 8, dtype=torch.float64)
    mean = nn.functional.avg_pool2d(x, 2)
    centred = x - x.mean(1, keepdim=True)
    normed = centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt()
    down = nn.functional.avg_pool2d(normed, 2)
    if c_in != 96:
        mean = block.get_submodule("shortcut.1")(mean)
        down = block.get_submodule("norm1.1.1")(down)
    expected = mean + block.sub1(down)  # the second subblock is zero
    torch.testing.assert_close(block(x), expected)
    names = [name.partition(".")[0] for name, _ in block.named_parameters()]
    order = list(dict.fromkeys(names))
    assert order == (
        ["sub1", "shortcut", "norm1", "norm2"] if c_in == 8 else ["sub1", "norm1", "norm2"]
    )


def test_one_image_at_one_pixel_is_normalised_by_running_statistics() -> None:
    model = small("{avg(bn)|}/{bn|}", px=8)  # both batch norms are at one pixel
    network = built(model)
    inputs = images(model, 1)
    expected = network.eval()(inputs)
    held = {name: b.clone() for name, b in network.named_buffers() if "blocks" in name}
    stem = network.stem
    network.train()
    stem.eval()
    torch.testing.assert_close(network(inputs), expected)
    buffers = dict(network.named_buffers())
    assert all(buffers[name].equal(value) for name, value in held.items())
    network(images(model, 3))
    assert not all(buffers[name].equal(value) for name, value in held.items())


def test_weights_are_drawn_as_published() -> None:
    network = built(KNOWN["coatnet"])
    drawn = {name: p.detach() for name, p in network.named_parameters()}
    qkv = "blocks.5.sub1.0.qkv"
    bound = (6 / (384 + 3 * 384)) ** 0.5
    assert float(drawn[f"{qkv}.weight"].abs().max()) == pytest.approx(bound, rel=1e-3)
    assert not drawn[f"{qkv}.bias"].any()
    table = drawn["blocks.5.sub1.0.connections.0.0.table"]
    assert float(table.std()) == pytest.approx(0.02, rel=0.1)
    mlp = "blocks.5.sub2.0.0"
    assert float(drawn[f"{mlp}.weight"].std()) == pytest.approx((2 / (4 * 384)) ** 0.5, rel=0.02)
    assert float(drawn[f"{mlp}.bias"].std()) == pytest.approx(1e-6, rel=0.1)
    depthwise = "blocks.0.sub1.0.3"
    assert f"{depthwise}.bias" not in drawn
    expected = (2 / (384 * 25)) ** 0.5
    assert float(drawn[f"{depthwise}.weight"].std()) == pytest.approx(expected, rel=0.05)


def test_drop_path_leaves_out_subblocks_of_single_images() -> None:
    model = small("TT/T")
    torch.manual_seed(0)
    network = Network(model, drop_path=0.5)
    assert [block.drop_path for block in network.blocks] == [0, 0.25, 0.5]
    inputs = images(model)
    assert network.eval()(inputs).equal(network(inputs))
    block = network.blocks[2].train()
    assert isinstance(block, BlockModule)
    x = torch.randn(64, 96, 4, 4)
    kept = block._kept(torch.ones_like(x)).flatten(1)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert kept.equal(kept[:, :1].expand_as(kept))


def test_datasets_fix_resolution_and_classes() -> None:
    network = SPACE.network(small("R/T"), "imagenet-64")
    assert network.classifier.out_features == 1000
    (table,) = {p.numel() for name, p in network.named_parameters() if name.endswith("table")}
    assert table == (2 * 8 - 1) ** 2


def test_stages_are_the_last_maps_of_each_stage() -> None:
    model = Model.parse("4-4:8-96-16-24:R/RT/EE/R:px=64")
    network = built(model).eval()
    inputs = images(model)
    maps, features = network.stages(inputs), network.features(inputs)
    assert [m.equal(features[i]) for m, i in zip(maps, (1, 3, 5, 6), strict=True)] == [True] * 4
    sizes = [(m.shape[1], 64 // m.shape[2]) for m in maps]
    assert sizes == list(zip(network.stage_channels, (4, 8, 16, 32), strict=True))


def test_a_network_with_drop_path_is_the_same_in_eval_mode() -> None:
    model = small("RT/T")
    networks = []
    for made in (SPACE.network, lambda *of: SPACE.network_with(*of, drop_path=0.4)):
        torch.manual_seed(0)
        networks.append(made(model, "imagenet-32-10").eval())
    plain, dropped = networks
    inputs = torch.randn(2, 3, 32, 32)
    assert plain(inputs).equal(dropped(inputs))
    dropped.train()
    assert not dropped(inputs).equal(dropped(inputs))
    with pytest.raises(InputError, match="as nodes; leave se out"):
        SPACE.network_with(model, "imagenet-32-10", drop_path=0.1, se=True)
