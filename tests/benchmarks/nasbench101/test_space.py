"""NAS-Bench-101 cells: validity, pruning, the hash, neighbours and costs."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import InputError
from benchmarks.nasbench101.architecture import (
    MAX_EDGES,
    OPS,
    SUITE_ZERO_OPS,
    Cell,
    vertex_channels,
)
from benchmarks.nasbench101.enumeration import Enumeration
from benchmarks.nasbench101.space import NASBench101Space
from benchmarks.types import Costs
from tests.benchmarks.nasbench101.strategies import cells, graphs
from tests.reference import nasbench101_cell
from tests.reference.count import macs

SPACE = NASBench101Space()
CONV3, CONV1, POOL = OPS
PATH = Cell.of([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", CONV3, "output"])


def relabelled(
    matrix: Sequence[Sequence[int]], ops: Sequence[str], order: Sequence[int]
) -> tuple[list[list[int]], list[str]]:
    """The same graph with vertex `order[k]` in place k."""
    return [[matrix[i][j] for j in order] for i in order], [ops[i] for i in order]


# ------------------------------------------------------------------ graphs


@given(graphs())
def test_a_cell_has_no_dead_vertex_and_is_its_own_pruning(graph: Any) -> None:
    try:
        cell = Cell.of(*graph)
    except InputError:
        return
    assert cell.edges <= MAX_EDGES
    inner = range(1, len(cell.ops) - 1)
    assert all(any(row[v] for row in cell.matrix) and any(cell.matrix[v]) for v in inner)
    again = Cell.of(cell.matrix, cell.ops)
    assert (again.matrix, again.ops, again.id) == (cell.matrix, cell.ops, cell.id)


@settings(max_examples=200)
@given(cells, st.randoms())
def test_hash_is_invariant_under_relabelling(cell: Cell, rng: random.Random) -> None:
    inner = list(range(1, len(cell.ops) - 1))
    last = len(cell.ops) - 1
    for _ in range(20):
        rng.shuffle(inner)
        matrix, ops = relabelled(cell.matrix, cell.ops, [0, *inner, last])
        if all(not matrix[i][j] for i in range(last + 1) for j in range(i + 1)):
            assert Cell.of(matrix, ops) == cell


def test_dead_vertices_do_not_change_a_cell() -> None:
    # Vertex 2 leads nowhere, vertex 3 comes from nowhere.
    matrix = [[0, 1, 1, 0, 0], [0, 0, 0, 0, 1], [0] * 5, [0, 0, 0, 0, 1], [0] * 5]
    cell = Cell.of(matrix, ["input", CONV3, POOL, CONV1, "output"])
    assert (cell.matrix, cell.ops) == (PATH.matrix, PATH.ops)
    assert cell == PATH


_FULL = [[int(i < j) for j in range(5)] for i in range(5)]


@pytest.mark.parametrize(
    ("matrix", "ops", "message"),
    [
        ([[0, 1], [0, 0]], ["input"], "1 operations"),
        ([[0]], ["input"], "1 rows"),
        ([[0] * 8] * 8, ["input", *[CONV3] * 6, "output"], "8 rows"),
        ([[0, 2], [0, 0]], ["input", "output"], "the entry 2"),
        ([[0, 1], [1, 0]], ["input", "output"], "cyclic"),
        ([[1, 1], [0, 0]], ["input", "output"], "cyclic"),
        ([[0, 1], [0]], ["input", "output"], "2 rows"),
        ([[0, 0], [0, 0]], ["input", "output"], "no path"),
        ([[0, 1], [0, 0]], ["output", "input"], "'output' first"),
        ([[0, 1, 0], [0, 0, 1], [0] * 3], ["input", "conv5x5", "output"], "'conv5x5'"),
        ([[0, 1, 0], [0, 0, 1], [0] * 3], ["input", "input", "output"], "'input'"),
        (_FULL, ["input", *[CONV3] * 3, "output"], "10 edges"),
    ],
)
def test_what_is_no_cell(matrix: list[list[int]], ops: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cell.of(matrix, ops)


@pytest.mark.parametrize("text", ["", "0", "resnet", "f" * 31, "F" * 32, "(0, 1)", "()", "(0 1)"])
def test_what_names_no_cell(text: str) -> None:
    with pytest.raises(InputError, match=r"cell|expected"):
        SPACE.parse(text)


def test_a_hash_that_no_cell_has(nasbench101_cells: Enumeration) -> None:
    with pytest.raises(InputError, match="no NAS-Bench-101 cell has the hash f"):
        SPACE.parse("f" * 32)


def test_suite_zero_codes(nasbench101_cells: Enumeration) -> None:
    rng = random.Random(0)
    for _ in range(50):
        cell = SPACE.sample(rng)
        codes = [*itertools.chain(*cell.matrix), *map(SUITE_ZERO_OPS.index, cell.ops)]
        read = SPACE.parse(str(tuple(codes)))
        assert (read, read.matrix, read.ops) == (cell, cell.matrix, cell.ops)
    with pytest.raises(InputError, match=r"0\.\.4"):
        SPACE.parse("(0, 1, 0, 0, 0, 7)")


# ------------------------------------------------------------------ known graphs

_KNOWN_OPS = {-1: "input", -2: "output"} | dict(enumerate(OPS))


def test_hashes_of_the_known_graphs(real_data: Path) -> None:
    known = json.loads((real_data / "nasbench101" / "data-1k.json").read_text())
    keys = json.loads((real_data / "nasbench101" / "data-20k.json").read_text())["key"]
    assert len(known["adjacency"]) == 1000
    for matrix, ops, key in zip(known["adjacency"], known["operations"], keys, strict=False):
        kept = [v for v, op in enumerate(ops) if op != -3]
        graph = relabelled(matrix, [_KNOWN_OPS.get(op, "") for op in ops], kept)
        assert Cell.of(*graph).id == key


def test_every_key_and_parameter_count_of_the_sample(
    real_data: Path, nasbench101_cells: Enumeration
) -> None:
    sample = json.loads((real_data / "nasbench101" / "data-20k.json").read_text())
    assert len(sample["key"]) == 20_001
    for key, params in zip(sample["key"], sample["trainable_parameters"], strict=True):
        assert SPACE.costs(SPACE.parse(key), "cifar10").params == params, key


# ------------------------------------------------------------------ neighbours


@pytest.mark.parametrize("seed", range(20))
def test_neighbours_are_other_cells_one_edit_away(
    nasbench101_cells: Enumeration, seed: int
) -> None:
    cell = SPACE.sample(random.Random(seed))
    found = list(SPACE.neighbours(cell))
    assert len({c.id for c in found}) == len(found) > 0
    assert cell not in found
    for other in found:
        assert other in nasbench101_cells
        assert other.matrix == nasbench101_cells.representative(other).matrix
    assert SPACE.mutate(cell, random.Random(seed)) in found
    assert SPACE.mutate(cell, random.Random(seed)) == SPACE.mutate(cell, random.Random(seed))


def test_an_operation_or_an_edge_is_edited(nasbench101_cells: Enumeration) -> None:
    around = [[0, 1, 1], [0, 0, 1], [0] * 3]
    expected = {
        Cell.of(PATH.matrix, ["input", CONV1, "output"]),
        Cell.of(PATH.matrix, ["input", POOL, "output"]),
        Cell.of(around, ["input", CONV3, "output"]),
    }
    for op in OPS:  # a vertex between the first two, the last two, or the outer two
        series = [[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0] * 4]
        expected.add(Cell.of(series, ["input", op, CONV3, "output"]))
        series = [[0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0] * 4]
        expected.add(Cell.of(series, ["input", CONV3, op, "output"]))
        beside = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
        expected.add(Cell.of(beside, ["input", CONV3, op, "output"]))
    assert set(SPACE.neighbours(PATH)) == expected


def test_the_smallest_cell_grows_and_the_largest_shrinks(nasbench101_cells: Enumeration) -> None:
    smallest = nasbench101_cells[0]
    assert len(smallest.ops) == 2
    assert {len(cell.ops) for cell in SPACE.neighbours(smallest)} == {3}
    largest = nasbench101_cells[-1]
    assert len(largest.ops) == 7
    assert {len(cell.ops) for cell in SPACE.neighbours(largest)} >= {6, 7}


def test_sampling_is_uniform(nasbench101_cells: Enumeration) -> None:
    rng = random.Random(0)
    drawn = [SPACE.sample(rng) for _ in range(4000)]
    share = sum(len(cell.ops) == 7 for cell in drawn) / len(drawn)
    assert share == pytest.approx((nasbench101_cells.vertices == 7).mean(), abs=0.02)


# ------------------------------------------------------------------ costs


@given(cells, st.integers(1, 300), st.integers(5, 600))
def test_vertex_channels(cell: Cell, c_in: int, c_out: int) -> None:
    expected = nasbench101_cell.widths(cell.matrix, c_in, c_out)
    assert vertex_channels(cell, c_in, c_out) == expected


@settings(max_examples=25)
@given(cells)
def test_costs_are_those_of_the_built_network(cell: Cell) -> None:
    with torch.device("meta"):
        network = SPACE.network(cell, "cifar10")
        counted = macs(network, torch.empty(1, 3, 32, 32))
    sizes = [p.numel() for p in network.parameters()]
    assert SPACE.costs(cell, "cifar10") == Costs(sum(sizes), counted, len(sizes))


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="cifar100"):
        SPACE.dataset("cifar100")
    with pytest.raises(InputError, match="reachable"):
        SPACE.architectures("reachable")
