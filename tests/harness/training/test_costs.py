"""Counts of networks against closed forms and the published figures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.uninas.space import UniNASSpace
from harness.inspect.describe import described
from harness.training.measures import costs
from harness.training.measures.costs import Counted
from harness.training.recipe import backbones
from harness.training.recipe.protocol import protocol

#: arXiv:2510.06035, table of the final evaluation: params in millions, FLOPs in G on ImageNet,
#: COCO (1280 x 800), ADE20K (512 x 512).
PUBLISHED = {
    "resnet": (24.8, 9.0, 184, 47),
    "efficientnet": (24.0, 6.0, 124, 32),
    "coatnet": (26.9, 8.44, 296, 51),
}
#: Which of them are met to the digits that are printed; the others within 1.2 %.
MET = {"resnet": (1, 1, 1, 1), "efficientnet": (0, 0, 0, 1), "coatnet": (1, 0, 0, 1)}


class _Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = nn.functional.scaled_dot_product_attention(x, x, x)
        return out


@pytest.mark.parametrize(
    ("network", "shape", "macs"),
    [
        (nn.Conv2d(6, 4, 3, 2, 1, groups=2), (1, 6, 8, 10), 4 * 3 * 9 * 20),
        (nn.Linear(5, 7), (1, 5), 35),
        (nn.ConvTranspose2d(3, 4, 2, 2), (1, 3, 4, 5), 3 * 4 * 4 * 20),
        (_Attention(), (1, 2, 9, 16), 2 * 2 * 9 * 9 * 16),
        (nn.Sequential(nn.BatchNorm2d(3), nn.GELU(), nn.AvgPool2d(2)), (1, 3, 4, 4), 0),
    ],
    ids=["conv", "linear", "transposed", "attention", "nothing"],
)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_products_count(network: nn.Module, shape: tuple[int, ...], macs: int, device: str) -> None:
    assert costs.counted(network, (torch.zeros(shape),), device=device).flops == 2 * macs


def test_a_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    network[0].requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    counted = costs.counted(network, (torch.ones(2, 3, 4, 4),), device="cpu")
    assert counted == Counted(params=16 + 8, trainable=8, flops=2 * 2 * 12 * 16)
    assert network.training
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("text", ["efficientnet", "4-4:96-96-96-96:ER/TR/TE/T"])
def test_counts_are_the_closed_forms_of_uninas(text: str) -> None:
    of = described(text, dataset="imagenet-64-7")
    space = of.benchmark.space
    network = space.network(of.architecture, of.dataset)
    closed = space.costs(of.architecture, of.dataset)
    counted = costs.counted(network, (torch.zeros(1, 3, 64, 64),))
    assert (counted.params, counted.flops) == (closed.params, 2 * closed.flops)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_sizes(name: str) -> None:
    of, space = described(name, dataset="imagenet"), UniNASSpace()
    whole = space.costs(of.architecture, "imagenet")
    backbone = backbones.backbone(of, protocol("uninas_segmentation"))
    sizes = [costs.stages(backbone, size) for size in ((224, 224), (800, 1280), (512, 512))]
    ours = [whole.params / 1e6, 2 * whole.flops / 1e9, *(size.flops / 1e9 for size in sizes[1:])]
    printed = PUBLISHED[name]
    assert ours == pytest.approx(printed, rel=0.0125)
    digits = [len(str(figure).partition(".")[2]) for figure in printed]
    met = [round(o, d) == p for o, d, p in zip(ours, digits, printed, strict=True)]
    assert met == [bool(each) for each in MET[name]]
    # The stages are the network without its classifier, which has one product.
    classifier = 2 * 1000 * of.architecture.widths[-1]
    assert sizes[0].flops == 2 * whole.flops - classifier
