"""Searches of a benchmark: what is scored, once, and what a state is good for."""

from __future__ import annotations

import math
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.nasbench201.architecture import Cell
from benchmarks.nasbench201.enumeration import official_order
from benchmarks.types import Batch
from harness.pipelines import searching
from harness.pipelines.searching import Plan, figures_of, moves_of, plans_of, search
from harness.proxies import register_proxy
from harness.scores.store import Store
from harness.scoring.engine import Request
from harness.search.resume import load_state

REQUEST = Request("nasbench201", "cifar10", [], [], (0,), batch_size=2)
SPACE = BENCHMARKS["nasbench201"].space


@pytest.fixture
def built(own_proxies: None) -> list[int]:
    """A cheap proxy of networks, and how often it was called."""
    calls: list[int] = []

    @register_proxy("weights", paper="a test", input="none")
    def weights(network: nn.Module, batch: Batch) -> dict[str, float]:
        """Sum of the weights; fails for some networks."""
        calls.append(1)
        size = sum(p.numel() for p in network.parameters())
        if size % 3 == 0:
            raise RuntimeError("no score")
        return {"score": sum(p.sum().item() for p in network.parameters()), "size": float(size)}

    return calls


def plan_of(proxy: str, algorithm: str = "evolution", **limits: float) -> Plan:
    return plans_of(REQUEST, [proxy], [algorithm], [1], 40, 12, limits)[0]


def run(plan: Plan, store: Store, state: Path, count: int = 40, **options: Any) -> Any:
    return search(plan, store, REQUEST, count, state, workers=1, **options)


def test_the_same_network_is_scored_once(store: Store, tmp_path: Path, built: list[int]) -> None:
    plan = plan_of("rank(weights,weights.size,flops)", "local", flops=60e6)
    done = run(plan, store, tmp_path / "a.json")
    cells = [*map(SPACE.parse, done.architecture)]
    networks = {SPACE.canonical(cell) for cell in cells}  # type: ignore[attr-defined]
    assert len(built) == len(networks) == sum(done.new)
    assert len(built) < len(cells)
    assert max(SPACE.costs(cell, "cifar10").flops for cell in cells) <= 60e6
    assert {"ok", "error"} == set(done.status)
    failed = [k for k, status in enumerate(done.status) if status != "ok"]
    assert all(math.isnan(value) for k in failed for value in done.values[k][:2])
    # Once more, it takes all from the store, failures too, and says what it took then.
    before = len(built)
    assert repr(run(plan, store, tmp_path / "b.json")) == repr(done)
    assert len(built) == before


def test_equal_networks_have_one_size_and_one_string() -> None:
    kinds = {SPACE.canonical(cell) for cell in official_order()}  # type: ignore[attr-defined]
    assert len(kinds) == 7700
    assert len({cell.isomorphism for cell in kinds}) == 6466
    for cell in random.Random(0).sample(official_order(), 300):
        one: Cell = SPACE.canonical(cell)  # type: ignore[attr-defined]
        assert (one.isomorphism, SPACE.canonical(one)) == (cell.isomorphism, one)  # type: ignore[attr-defined]
        assert SPACE.costs(one, "cifar10") == SPACE.costs(cell, "cifar10")


def test_workers_change_nothing(tmp_path: Path) -> None:
    plan = plans_of(REQUEST, ["synflow"], ["random"], [1], 6, 12, {})[0]
    found = []
    for workers in (1, 2):
        with Store(tmp_path / f"{workers}.sqlite") as store:
            state = tmp_path / f"{workers}.json"
            done = search(plan, store, REQUEST, 6, state, workers=workers)
        found.append((done.architecture, done.values, done.best))
    assert found[0] == found[1]


def test_a_longer_search_goes_on_and_a_shorter_is_its_beginning(
    store: Store, tmp_path: Path
) -> None:
    plan, state = plan_of("flops"), tmp_path / "s.json"
    short = run(plan, store, state, 20)
    text = state.read_text()
    assert run(plan, store, state, 10).architecture == short.architecture[:10]
    assert state.read_text() == text
    long = run(plan, store, state, 30)
    assert long.architecture[:20] == short.architecture
    whole = run(plan, store, tmp_path / "other.json", 30)
    assert (long.architecture, long.best) == (whole.architecture, whole.best)


def test_a_state_of_another_search_is_kept(store: Store, tmp_path: Path) -> None:
    state = tmp_path / "s.json"
    run(plan_of("flops"), store, state, 5)
    text = state.read_text()
    with pytest.raises(InputError, match=r"another search \(limits \{\}, not \{'params'"):
        run(plan_of("flops", params=1e6), store, state)
    with pytest.raises(InputError, match="algorithm 'evolution', not 'aging'"):
        run(plan_of("flops", "aging"), store, state)
    assert state.read_text() == text
    for damaged in (text[:-20], "[]", "{}", '{"search": 1, "format": 1}'):
        state.write_text(damaged)
        with pytest.raises(InputError, match="is no state of a search"):
            load_state(state, asdict(plan_of("flops")))
        assert state.read_text() == damaged


def test_nothing_feasible_names_the_limits(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--max-flops 1,000; .*|--max-flops 1,000\); give wider"):
        run(plan_of("flops", flops=1000), store, tmp_path / "s.json")
    assert not (tmp_path / "s.json").exists()


def test_a_part_that_is_not_there(store: Store, tmp_path: Path, built: list[int]) -> None:
    with pytest.raises(InputError, match="no part 'colour'"):
        run(plan_of("weights.colour"), store, tmp_path / "s.json")


class Small:
    """A space with all that a search may ask for; the rest is nasbench201's."""

    initial = official_order()[3]

    def __getattr__(self, name: str) -> Any:
        return getattr(SPACE, name)

    def limits(self, architecture: Cell, dataset: str) -> dict[str, float]:
        return {"flops": 1.0, "params": 2.0, "layers": float(architecture.ops.count("none"))}

    def mutate_times(self, architecture: Cell, rng: random.Random, times: int) -> Cell:
        return official_order()[times]


def test_what_a_space_may_offer_is_taken() -> None:
    space: Any = Small()
    moves = moves_of(space, "cifar10", {"layers": 0, "flops": 1})
    assert moves.initial == Small.initial
    assert moves.mutate(Small.initial, random.Random(0), 2) == official_order()[2]
    skip = "skip_connect"
    assert moves.feasible(Cell((skip, skip, skip, skip, skip, skip)))
    assert not moves.feasible(Cell(("none", skip, skip, skip, skip, skip)))
    plain = moves_of(SPACE, "cifar10", {})
    assert plain.initial is None
    cell = plain.mutate(Small.initial, random.Random(0), 1)
    assert sum(a != b for a, b in zip(cell.ops, Small.initial.ops, strict=True)) == 1
    assert figures_of(SPACE, cell, "cifar10")["flops"] == SPACE.costs(cell, "cifar10").flops


def test_the_random_objective_is_no_score(store: Store, tmp_path: Path) -> None:
    done = run(plan_of(searching.RANDOM), store, tmp_path / "s.json")
    assert len({*map(tuple, done.values)}) == len(set(done.architecture))
    assert store.distinct("proxy") == []
