"""Every proxy on NAS-Bench-101: equal to its literal version, and run by the engine."""

from __future__ import annotations

import math

import pytest
from torch import nn

from benchmarks.nasbench101.architecture import OPS, Cell
from benchmarks.nasbench101.enumeration import Enumeration
from benchmarks.nasbench101.network import Network
from harness.proxies import PROXIES
from harness.scores.store import Store
from harness.scoring.engine import Request, run
from tests.benchmarks.nasbench101.strategies import BRANCHED
from tests.harness.networks import randomised
from tests.harness.proxies.test_common import NAMES, batches_for, parts_of, same
from tests.reference.literals import LITERALS

CONV3, CONV1, _ = OPS
#: 146 parameter tensors, of which the Fisher matrix takes the first 128.
LONG = Cell.of(
    [[0, 1, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0] * 5],
    ["input", CONV1, CONV3, CONV1, "output"],
)


@pytest.mark.parametrize("cell", [BRANCHED, LONG], ids=["branched", "long"])
@pytest.mark.parametrize("name", NAMES)
def test_equals_literal(name: str, cell: Cell) -> None:
    proxy = PROXIES[name]
    network = randomised(Network(cell, 10, width=5)).train(proxy.mode == "train")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and proxy.mode == "train":
            module.reset_running_stats()
    batches = batches_for(proxy, seed=1)
    expected = parts_of(LITERALS[name](network, *batches))
    assert all(map(math.isfinite, expected.values()))
    assert parts_of(proxy.function(network, *batches)) == same(expected, 1e-8)


def test_the_long_cell_has_more_tensors_than_the_fisher_matrix_takes() -> None:
    assert sum(1 for _ in Network(LONG, 10, width=5).parameters()) > 128


@pytest.mark.slow
def test_the_engine_scores_every_proxy(nasbench101_cells: Enumeration, store: Store) -> None:
    cell = min(nasbench101_cells[200_000:200_100], key=lambda c: len(c.ops) * 100 + c.edges)
    request = Request("nasbench101", "cifar10", [cell.id], list(PROXIES), batch_size=2)
    tally = run(request, store, workers=1)
    assert not tally.failed
    assert tally.scored == len(list(PROXIES))
