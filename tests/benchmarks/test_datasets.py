"""Datasets of any images: their names, and the networks that are built for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.nasbench101.architecture import Cell
from benchmarks.types import Costs, HasSizedDataset
from harness.scores.store import Store
from harness.scoring.engine import Request, run
from tests.reference.count import macs

#: A cell of every space, named as its `parse` takes it.
CELLS = {
    "nasbench201": BENCHMARKS["nasbench201"].space.parse("11"),
    "nasbench101": Cell.of(
        [[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]],
        ["input", "conv3x3-bn-relu", "maxpool3x3", "output"],
    ),
}


@pytest.mark.parametrize("size", [(8, 2), (28, 7), (64, 1000)])
@pytest.mark.parametrize("name", CELLS)
def test_costs_are_those_of_the_built_network(name: str, size: tuple[int, int]) -> None:
    space, (resolution, classes) = BENCHMARKS[name].space, size
    assert isinstance(space, HasSizedDataset)
    dataset = space.sized_dataset(resolution, classes)
    assert dataset == f"images-{resolution}-{classes}"
    task = space.dataset(dataset)
    assert (task.resolution, task.classes, task.images) == (resolution, classes, ())
    with torch.device("meta"):  # shapes without numbers
        network: nn.Module = space.network(CELLS[name], dataset).eval()
        image = torch.empty(1, 3, resolution, resolution)
    sizes = [p.numel() for p in network.parameters()]
    assert network(image).shape == (1, classes)
    assert space.costs(CELLS[name], dataset) == Costs(sum(sizes), macs(network, image), len(sizes))


@pytest.mark.parametrize("name", ["mobilenetv2", "uninas"])
def test_other_spaces_name_theirs_after_imagenet(name: str) -> None:
    space = BENCHMARKS[name].space
    assert isinstance(space, HasSizedDataset)
    assert space.sized_dataset(64, 10) == "imagenet-64-10"
    assert space.sized_dataset(224, 1000) == "imagenet"
    with pytest.raises(InputError, match="imagenet-33-10"):
        space.sized_dataset(33, 10)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("images-30-10", "no NAS-Bench-201 dataset 'images-30-10'; .*a multiple of 4 from 8 on"),
        ("images-4-10", "no NAS-Bench-201 dataset"),
        ("images-32-1", "no NAS-Bench-201 dataset"),
        ("images-032-10", "'images-032-10' is called 'images-32-10'"),
        ("images-32", "unknown NAS-Bench-201 dataset 'images-32'; known: cifar10, "),
        ("images-32-10-1", "unknown NAS-Bench-201 dataset"),
    ],
)
def test_other_names_are_refused(dataset: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BENCHMARKS["nasbench201"].space.dataset(dataset)


def test_scoring_takes_them(tmp_path: Path) -> None:
    cell = CELLS["nasbench201"].id
    request = Request("nasbench201", "images-12-3", [cell], ["nwot", "flops"], batch_size=4)
    with Store(tmp_path / "scores.sqlite") as store:
        assert run(request, store, workers=1).scored == 2
        assert {record.key.input for record in store.records()} == {"gaussian", "none"}
