"""NAS-Bench-201 cells: strings, official order, sets, neighbours and costs."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import random
from bz2 import BZ2File
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.errors import InputError
from benchmarks.nasbench201.architecture import EDGES, OPS, Cell
from benchmarks.nasbench201.enumeration import official_order
from benchmarks.nasbench201.space import NASBench201Space
from benchmarks.types import Costs
from tests.benchmarks.nasbench201.strategies import cells
from tests.reference.count import macs

SPACE = NASBench201Space()
DATASETS = ("cifar10", "cifar10-valid", "cifar100", "ImageNet16-120")
ALL_NONE = Cell(("none",) * 6)
ALL_CONV = Cell(("nor_conv_3x3",) * 6)

OFFICIAL = {
    0: "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    9: "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    11: "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|",
    284: "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|",
    13714: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|",
}

# ------------------------------------------------------------------ strings and indices


def test_every_cell_reads_back_from_its_string() -> None:
    texts = [str(cell) for cell in official_order()]
    assert len(set(texts)) == 15_625
    assert tuple(Cell.parse(text) for text in texts) == official_order()


@given(cells)
def test_string_follows_the_grammar(cell: Cell) -> None:
    a, b, c, d, e, f = cell.ops
    assert cell.id == f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


@pytest.mark.parametrize(("index", "text"), OFFICIAL.items())
def test_official_indices(index: int, text: str) -> None:
    cell = SPACE.parse(str(index))
    assert cell.id == text
    assert cell == SPACE.parse(text) == SPACE.parse(f"  {text}\n")
    assert SPACE.index(cell) == index


def test_order_is_that_of_the_official_meta_file(real_data: Path) -> None:
    with BZ2File(real_data / "NATS-tss-v1_0-3ffb9-simple" / "meta.pickle.pbz2") as stream:
        meta = pickle.load(stream)
    assert [cell.id for cell in official_order()] == meta["meta_archs"]


_GOOD = OFFICIAL[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "resnet18",
        "-1",
        "1.5",
        "１２",
        "|none~0|",
        _GOOD[:-1],
        _GOOD[1:],
        _GOOD.replace("+", ""),
        _GOOD.replace("+", "|+|"),
        _GOOD.replace("~0|+", "~1|+", 1),
        _GOOD.replace("nor_conv_1x1~0|skip_connect~1", "skip_connect~1|nor_conv_1x1~0", 1),
        _GOOD.replace("avg_pool_3x3", "max_pool_3x3"),
        _GOOD.replace("avg_pool_3x3", "Avg_pool_3x3"),
        _GOOD.replace("avg_pool_3x3~0", "avg_pool_3x3"),
        _GOOD.replace("~0|+", "~00|+", 1),
        _GOOD + "+|none~0|none~1|none~2|none~3|",
        _GOOD.rpartition("+")[0],
        _GOOD.replace("+", "\n+"),
    ],
)
def test_malformed_string_is_named(text: str) -> None:
    with pytest.raises(InputError) as caught:
        SPACE.parse(text)
    assert repr(text) in str(caught.value)
    assert "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|" in str(caught.value)


@pytest.mark.parametrize("text", ["15625", "99999999", "9" * 5000], ids=["next", "big", "huge"])
def test_index_out_of_range(text: str) -> None:
    with pytest.raises(InputError, match=r"0\.\.15624"):
        SPACE.parse(text)


@given(st.text(alphabet="|+~012 noeskip_cr1x3av l", max_size=80) | st.text(max_size=20))
def test_any_text_is_a_cell_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        assert SPACE.index(SPACE.parse(text)) in range(15_625)


def test_suite_zero_codes() -> None:
    # Codes 0 skip, 1 none, 2 conv3x3, 3 conv1x1, 4 pool; edges 01, 02, 03, 12, 13, 23.
    text = "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|skip_connect~2|"
    assert Cell.from_suite_zero((0, 1, 2, 3, 4, 0)).id == text
    every = {Cell.from_suite_zero(codes) for codes in itertools.product(range(5), repeat=6)}
    assert every == set(official_order())


@pytest.mark.parametrize("codes", [(0,) * 5, (0,) * 7, (0, 0, 0, 0, 0, 5), (-1, 0, 0, 0, 0, 0)])
def test_suite_zero_codes_out_of_range(codes: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="six codes") as caught:
        Cell.from_suite_zero(codes)
    assert repr(codes) in str(caught.value)


# ------------------------------------------------------------------ sets


@pytest.mark.parametrize(
    ("name", "size"), [("all", 15_625), ("reachable", 9_445), ("unique", 6_466)]
)
def test_sets_are_subsequences_of_the_official_order(name: str, size: int) -> None:
    indices = [SPACE.index(cell) for cell in SPACE.architectures(name)]
    assert len(indices) == size
    assert indices == sorted(set(indices))


def test_set_names() -> None:
    assert set(SPACE.sets) == {"all", "reachable", "unique"}
    assert SPACE.sets[0] == "reachable"
    with pytest.raises(InputError, match=r"'valid'.*reachable, all, unique"):
        SPACE.architectures("valid")


def test_reachable_means_every_edge_lies_on_a_path_from_input_to_output() -> None:
    paths = [{(0, 3)}, {(0, 1), (1, 3)}, {(0, 2), (2, 3)}, {(0, 1), (1, 2), (2, 3)}]
    for cell in official_order():
        live = {edge for edge, op in zip(EDGES, cell.ops, strict=True) if op != "none"}
        on_a_path = set().union(*(path for path in paths if path <= live))
        assert cell.reachable == (live == on_a_path), cell


def test_the_empty_cell_is_reachable() -> None:
    assert ALL_NONE.reachable
    assert ALL_NONE in SPACE.architectures("reachable")


def test_unique_keeps_the_first_of_each_isomorphism_string() -> None:
    first: dict[str, Cell] = {}
    for cell in official_order():
        first.setdefault(cell.isomorphism, cell)
    assert SPACE.architectures("unique") == tuple(first.values())


@pytest.mark.parametrize(
    ("text", "isomorphism"),
    [
        (OFFICIAL[9], "#+(#+#)@nor_conv_3x3+0"),
        (OFFICIAL[284], "#+#+(0)@nor_conv_1x1"),
        (ALL_NONE.id, "#+#+#"),
        (
            OFFICIAL[0],
            "(0)@avg_pool_3x3+(0)@avg_pool_3x3+(0)@nor_conv_1x1+(0)@nor_conv_1x1",
        ),
    ],
)
def test_isomorphism_strings(text: str, isomorphism: str) -> None:
    assert Cell.parse(text).isomorphism == isomorphism


def test_isomorphism_strings_are_those_of_the_official_package() -> None:
    genotypes = pytest.importorskip("nats_bench.genotype_utils")
    for cell in official_order():
        structure = genotypes.topology_str2structure(cell.id)
        assert cell.isomorphism == structure.to_unique_str(consider_zero=True)


# ------------------------------------------------------------------ moves


def _distance(a: Cell, b: Cell) -> int:
    return sum(x != y for x, y in zip(a.ops, b.ops, strict=True))


@given(cells)
def test_neighbours_are_all_cells_one_edit_away(cell: Cell) -> None:
    neighbours = list(SPACE.neighbours(cell))
    assert len(neighbours) == len(set(neighbours)) == 24
    assert {_distance(cell, other) for other in neighbours} == {1}


@given(cells, st.integers(0, 2**32))
def test_mutation_is_a_neighbour_and_follows_the_generator(cell: Cell, seed: int) -> None:
    one, two = (SPACE.mutate(cell, random.Random(seed)) for _ in range(2))
    assert one == two
    assert _distance(cell, one) == 1


def test_mutation_reaches_every_neighbour() -> None:
    rng = random.Random(0)
    drawn = {SPACE.mutate(ALL_CONV, rng) for _ in range(1000)}
    assert drawn == set(SPACE.neighbours(ALL_CONV))


def test_samples_follow_the_generator_and_cover_every_edge() -> None:
    one, two = ([SPACE.sample(rng) for _ in range(200)] for rng in map(random.Random, (3, 3)))
    assert one == two
    assert [set(ops) for ops in zip(*(cell.ops for cell in one), strict=True)] == [set(OPS)] * 6


# ------------------------------------------------------------------ datasets and costs


@pytest.mark.parametrize(
    ("name", "classes", "resolution", "split"),
    [
        ("cifar10", 10, 32, "ori-test"),
        ("cifar10-valid", 10, 32, "x-valid"),
        ("cifar100", 100, 32, "x-test"),
        ("ImageNet16-120", 120, 16, "x-test"),
    ],
)
def test_datasets(name: str, classes: int, resolution: int, split: str) -> None:
    task = SPACE.dataset(name)
    assert (task.name, task.classes, task.resolution, task.split) == (
        name,
        classes,
        resolution,
        split,
    )


def test_unknown_dataset() -> None:
    message = r"'svhn'; known: cifar10, cifar10-valid, cifar100, ImageNet16-120"
    with pytest.raises(InputError, match=message):
        SPACE.dataset("svhn")
    with pytest.raises(InputError, match=message):
        SPACE.costs(ALL_NONE, "svhn")
    with pytest.raises(InputError, match=message):
        SPACE.network(ALL_NONE, "svhn")


_COSTED = [ALL_NONE, ALL_CONV, *(official_order()[i] for i in [*OFFICIAL, 1, 500, 4242, 7777, -1])]


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("cell", _COSTED, ids=str)
def test_costs_are_those_of_the_network(cell: Cell, dataset: str) -> None:
    resolution = SPACE.dataset(dataset).resolution
    with torch.device("meta"):  # shapes without numbers
        network = SPACE.network(cell, dataset).eval()
        image = torch.empty(1, 3, resolution, resolution)
    parameters = list(network.parameters())
    assert SPACE.costs(cell, dataset) == Costs(
        params=sum(p.numel() for p in parameters),
        flops=macs(network, image),
        layers=len(parameters),
    )


#: Millions, as the benchmark states them (its `params` and `flop`).
_STATED = [
    (11, "cifar10", 0.802426, 113.95137),
    (284, "cifar10", 0.101306, 11.71521),
    (13714, "cifar10", 1.073466, 153.27297),
    (11, "cifar100", 0.808276, 113.95722),
    (284, "ImageNet16-120", 0.108456, 2.93644),
]


@pytest.mark.parametrize(("index", "dataset", "params", "flops"), _STATED)
def test_stated_costs(index: int, dataset: str, params: float, flops: float) -> None:
    costs = SPACE.costs(official_order()[index], dataset)
    assert costs.params / 1e6 == pytest.approx(params, abs=1e-9)
    assert costs.flops / 1e6 == pytest.approx(flops, abs=1e-9)


@pytest.mark.parametrize("index", [0, 11, 284])
def test_costs_in_the_official_files(real_data: Path, index: int) -> None:
    folder = real_data / "NATS-tss-v1_0-3ffb9-simple"
    with BZ2File(folder / f"{index:06d}.pickle.pbz2") as stream:
        state = pickle.load(stream)["12"]
    assert {dataset for dataset, _ in state["all_results"]} == set(DATASETS)
    for (dataset, _), result in state["all_results"].items():
        costs = SPACE.costs(official_order()[index], dataset)
        assert costs.params / 1e6 == pytest.approx(float(result["params"]), abs=1e-9)
        assert costs.flops / 1e6 == pytest.approx(float(result["flop"]), abs=1e-9)
