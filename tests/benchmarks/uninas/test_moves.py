"""The walk: limits, exact counts, models that run, and the way from one block to another."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import InputError
from benchmarks.uninas import moves
from benchmarks.uninas.architecture import KNOWN, Block, Model, known_block
from benchmarks.uninas.costs import counts as size_of
from benchmarks.uninas.nodes import algebra as n
from benchmarks.uninas.nodes.resizing import SCHEMES, ExpandAndReduce
from tests.benchmarks.uninas.models import SMALL, built, images, learn, small, walks, wanderer


@settings(max_examples=120)
@given(walks)
def test_counts_stay_exact_and_limits_are_kept(steps: list[moves.Step]) -> None:
    for step in steps:
        counts = size_of(step.model)
        assert (step.params, step.flops) == (counts.params, counts.flops)
        assert SMALL.refusal(counts.params, counts.flops) is None
    assert not list(steps[-1].model.misfits())
    for before, after in pairwise(steps):
        assert before.model != after.model
        assert len(after.edits) == 1


@settings(max_examples=50)
@given(walks, st.integers(1, 2))
def test_models_run_forward_and_backward(steps: list[moves.Step], count: int) -> None:
    model = steps[-1].model
    network = built(model).train()
    inputs = images(model, count)
    for features, place in zip(network.features(inputs)[1:], model.places(), strict=True):
        assert tuple(features.shape[1:]) == place.shape
    assert learn(network, inputs).isfinite()
    # Frozen are exactly the parameters that no gradient reaches.
    counts, found = size_of(model), list(network.parameters())
    assert sum(p.numel() for p in found) == counts.params
    live = [p for p in found if p.requires_grad]
    assert (sum(p.numel() for p in live), len(live)) == (counts.trainable, counts.tensors)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in live)
    thawed = built(model).train().requires_grad_(True)
    learn(thawed, inputs)
    assert [p.requires_grad for p in found] == [p.grad is not None for p in thawed.parameters()]
    with torch.no_grad():
        assert network.eval()(inputs).isfinite().all()


def test_long_walks_of_full_size_stay_within_the_budget() -> None:
    limits = moves.Limits(params_max=30e6, flops_max=12e9)
    rng, step = random.Random(0), moves.start(KNOWN["start"], limits)
    for _ in range(300):
        step = moves.step(step, rng, limits) or step
    counts = size_of(step.model.checked())
    assert (step.params, step.flops) == (counts.params, counts.flops)
    assert counts.params <= 30e6
    assert counts.flops <= 12e9


def test_lower_limits_stop_elimination() -> None:
    first = moves.start(small("R/R"))
    limits = moves.Limits(params_min=first.params, flops_min=first.flops)
    rng = random.Random(0)
    for _ in range(200):
        made = moves.step(first, rng, limits, p_eliminate=1.0)
        if made is not None:  # a Zero costs nothing, and can go
            assert made.edits[0].startswith("eliminate Zero")


def test_an_edit_that_costs_nothing_counts() -> None:
    first = moves.start(small("R/R"))
    limits = moves.Limits(params_max=first.params, flops_max=first.flops)
    made = moves.step(first, random.Random(0), limits, p_eliminate=0.0)
    assert made is not None
    assert (made.params, made.flops) == (first.params, first.flops)
    assert made.model != first.model
    assert "insert ForkMerge" in made.edits[0]


class Scripted(random.Random):
    """Eliminates from an empty subblock a number of times, then inserts."""

    def __init__(self, failures: int) -> None:
        super().__init__(0)
        self.draws = [0.9, 0.0] * failures + [0.9, 0.99]

    def random(self) -> float:
        return self.draws.pop(0)

    def getrandbits(self, k: int) -> int:
        return super().getrandbits(k)  # else choices too are made by `random`


@pytest.mark.parametrize(("failures", "succeeds"), [(0, True), (5, True), (6, False)])
def test_a_success_on_the_last_attempt_counts(failures: int, succeeds: bool) -> None:
    empty = moves.start(small("{conv1|}/{conv1|}"))
    made = moves.step(empty, Scripted(failures), patience=5)
    assert (made is not None) == succeeds


def test_several_edits_at_once() -> None:
    made = moves.step(moves.start(small("R/R")), random.Random(0), edits=4, patience=20)
    assert made is not None
    assert len(made.edits) == 4


def test_candidates_are_those_of_the_paper() -> None:
    assert len(moves.candidates((96, 16, 16))) == 20
    assert len(moves.candidates((96, 56, 56))) == 19  # no relative positions
    names = {type(node).__name__ for node in moves.candidates((7, 5, 5))}
    assert names.isdisjoint({"RelPosBias", "ForkMergeAttention", "ReduceAndExpand", "Zero"})


def test_all_kinds_of_edits_happen_about_as_often_as_published() -> None:
    made = [step.edits[0].split()[:2] for seed in range(60) for step in wanderer(seed, 20)[1:]]
    eliminated = sum(kind == "eliminate" for kind, _ in made) / len(made)
    assert 0.2 < eliminated < 0.4
    inserted = {name for kind, name in made if kind == "insert"}
    proposed = {name for name, kind in n.NODES.items() if kind.proposed}
    assert inserted == proposed


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (moves.Limits(params_min=2, params_max=1), "at least 2 and at most 1 parameters"),
        (moves.Limits(flops_max=-1), "at most -1 FLOPs"),
        (moves.Limits(params_max=1000), "24,817,416 parameters are not in 0 ... 1,000"),
        (moves.Limits(flops_min=1e12, flops_max=math.inf), "FLOPs are not in"),
    ],
)
def test_limits_that_cannot_be_kept(limits: moves.Limits, reason: str) -> None:
    with pytest.raises(InputError, match=re.escape(reason)):
        moves.start(KNOWN["resnet"], limits)


# ------------------------------------------------------------------ neighbours and paths


def test_steps_lead_to_neighbours() -> None:
    model = small("E/{attention(9*;3*relpos,softmax;3*)|zero}")
    around = set(moves.neighbours(model))
    rng = random.Random(0)
    for _ in range(100):
        made = moves.step(moves.start(model), rng)
        assert made is not None
        assert made.model in around
    assert model not in around
    assert not [m for other in rng.sample(sorted(around, key=str), 40) for m in other.misfits()]


def test_from_a_resnet_block_to_a_transformer_block() -> None:
    source, target = known_block("R", 96), known_block("T", 96)
    blocks = list(moves.path(source, target))
    assert (blocks[0], blocks[-1]) == (source, target)
    assert len(blocks) == 19
    for before, after in pairwise(blocks):
        # Each is a neighbour, but for the scheme of weights in the transformer's MLP.
        around = {_usual(block) for block in _neighbours(before)}
        assert _usual(after) in around
    for block in blocks:
        model = Model(((block,),), (96,), (4, 4), img_size=16, classes=3).checked()
        assert learn(built(model).train(), images(model)).isfinite()


def _neighbours(block: Block) -> list[Block]:
    shape = (96, 4, 4)
    ones = [replace(block, sub1=made) for made in moves.edited(block.sub1, shape)]
    return ones + [replace(block, sub2=made) for made in moves.edited(block.sub2, shape)]


def _usual(block: Block) -> Block:
    def usual(node: n.Node) -> n.Node:
        return replace(node, scheme=SCHEMES[0]) if isinstance(node, ExpandAndReduce) else node

    return replace(block, sub2=tuple(map(usual, block.sub2)))


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(0, 999))
def test_paths_end_where_they_should(one: int, other: int) -> None:
    source, target = (next(wanderer(seed, 8)[-1].model.blocks()) for seed in (one, other))
    blocks = list(moves.path(source, target))
    assert (blocks[0], blocks[-1]) == (source, target)
    assert all(before != after for before, after in pairwise(blocks))
