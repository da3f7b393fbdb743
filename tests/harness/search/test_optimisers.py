"""Laws of every algorithm, on a toy space."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.search import (
    ALGORITHMS,
    Evaluation,
    Formula,
    NothingFeasible,
    Objective,
    register_algorithm,
    run,
)
from tests.harness.search import toy
from tests.reference.evolution import evolution

NAMES = sorted(ALGORITHMS)
AGGREGATE = Formula("log-rank", ("size", "rise"))
FORMULAS = ("size", "rise", AGGREGATE, Formula("rank", ("rise", AGGREGATE)))


def searched(
    algorithm: str,
    iterations: int,
    *,
    formula: str | Formula = AGGREGATE,
    at_once: int = 1,
    resume: Any = None,
    states: dict[int, str] | None = None,
    **options: Any,
) -> Evaluation:
    objective = Objective(formula)

    def keep(done: Evaluation, state: Any) -> None:
        if states is not None:
            states[len(done)] = json.dumps(state())

    return run(
        toy.optimiser(algorithm, **options), objective, toy.evaluate(objective), iterations,
        name=toy.name, parse=toy.parse, resume=resume, at_once=at_once, on_step=keep,
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
class TestEvery:
    def test_is_a_function_of_its_seed(self, name: str) -> None:
        random.seed(1)
        one = searched(name, 60, seed=5)
        random.seed(2)
        assert searched(name, 60, seed=5) == one
        assert searched(name, 60, seed=6) != one

    def test_does_not_depend_on_how_many_are_scored_at_once(self, name: str) -> None:
        assert searched(name, 60, at_once=9) == searched(name, 60)

    def test_shorter_is_a_beginning(self, name: str) -> None:
        assert searched(name, 25) == searched(name, 60).first(25)

    def test_never_breaks_the_limits(self, name: str) -> None:
        done = searched(name, 80, feasible=lambda word: sum(word) <= 9)
        assert max(sum(toy.parse(text)) for text in done.architecture) <= 9

    def test_says_when_nothing_is_feasible(self, name: str) -> None:
        with pytest.raises(NothingFeasible, match="10,000 proposals"):
            searched(name, 5, feasible=lambda word: False)

    def test_finds_the_few_that_are_feasible(self, name: str) -> None:
        done = searched(name, 30, feasible=lambda word: word[:3] == (1, 2, 3))
        assert all(toy.parse(text)[:3] == (1, 2, 3) for text in done.architecture)

    def test_is_told_what_it_asked_for(self, name: str) -> None:
        optimiser = toy.optimiser(name)
        optimiser.ask()
        for wrong in (np.empty(0), np.zeros(2), np.array([np.nan])):
            with pytest.raises(ValueError, match="1 scores expected"):
                optimiser.tell(wrong)


@given(
    st.sampled_from(NAMES),
    st.sampled_from(FORMULAS),
    st.integers(0, 9),
    st.integers(1, 49),
    st.sampled_from([1, 4]),
    st.booleans(),
)
@settings(max_examples=60)
def test_resumed_anywhere_it_comes_out_the_same(
    name: str, formula: str | Formula, seed: int, stop: int, at_once: int, limited: bool
) -> None:
    def feasible(word: toy.Word) -> bool:
        return not limited or sum(word) <= 12

    options: dict[str, Any] = {"formula": formula, "seed": seed, "feasible": feasible}
    states: dict[int, str] = {}
    searched(name, stop, states=states, at_once=at_once, **options)
    # Killed at any time, it is left with the last state that was written.
    state = json.loads(states[max(states)])
    resumed = searched(name, 50, resume=state, **options)
    assert repr(resumed) == repr(searched(name, 50, **options))  # a NaN equals none


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"random"}))
@pytest.mark.parametrize("formula", ["size", Formula("rank", ("size", "size"))])
def test_finds_the_optimum_of_an_easy_objective(name: str, formula: str | Formula) -> None:
    for seed in range(3):
        done = searched(name, 600, formula=formula, seed=seed)
        assert toy.parse(done.architecture[done.best[-1]]) == (4,) * 6
    sizes = [toy.size(toy.parse(text)) for text in searched("random", 600).architecture]
    assert max(sizes) < 24  # and not because it is likely


@pytest.mark.parametrize("population", [2, 5, 14, 30])
@pytest.mark.parametrize("initial", [None, (0, 0, 0, 0, 0, 0)])
def test_evolution_is_the_literal_one(population: int, initial: toy.Word | None) -> None:
    def feasible(word: toy.Word) -> bool:
        return sum(word) <= 15

    def rise(word: toy.Word) -> float:
        value = toy.rise(word)
        return float("-inf") if math.isnan(value) else value

    def start(rng: random.Random) -> toy.Word:
        return toy.sample(rng) if initial is None else toy.mutate(initial, rng)

    for seed in range(3):
        expected, best = evolution(
            120, population, random.Random(seed), start, toy.mutate, feasible, (toy.size, rise)
        )
        done = searched(
            "evolution", 120, seed=seed, population=population, feasible=feasible, initial=initial
        )
        assert done.architecture == [*map(toy.name, expected)]
        assert done.architecture[done.best[-1]] == toy.name(best)


def test_aging_forgets_the_oldest() -> None:
    """With a population of one, the parent is always the newest."""
    optimiser = toy.optimiser("aging", population=1)
    words = []
    for n in range(1, 40):
        words.append(optimiser.ask())
        optimiser.tell(-np.arange(float(n)))  # the oldest would be the best
    for one, other in pairwise(words):
        assert sum(a != b for a, b in zip(one, other, strict=True)) == 1


def test_local_search_climbs_one_edit_at_a_time_and_asks_for_none_twice() -> None:
    done = searched("local", 300, formula="size", seed=3)
    words = [*map(toy.parse, done.architecture)]
    assert words.index((4,) * 6) < 150
    climb = words[: words.index((4,) * 6) + 1]
    assert len(set(climb)) == len(climb)
    best = climb[0]
    for word in climb[1:]:
        assert sum(a != b for a, b in zip(best, word, strict=True)) == 1
        best = max(best, word, key=sum)
    # All neighbours of the optimum are seen before it begins again.
    around = set(toy.neighbours((4,) * 6))
    after = words.index((4,) * 6) + 1
    again = next(k for k in range(after, 300) if words[k] not in around)
    assert around <= set(words[:again])


def test_walk_edits_the_best_so_far() -> None:
    start = (0, 1, 0, 1, 0, 1)
    optimiser = toy.optimiser("walk", initial=start)
    assert optimiser.ask() == start
    scores = [toy.size(start)]
    optimiser.tell(np.array(scores))
    for _ in range(200):
        best = len(scores) - 1 - int(np.argmax(scores[::-1]))  # of equals the latest
        asked = optimiser.ask()
        assert asked in set(toy.neighbours(optimiser.history[best]))
        scores.append(toy.size(asked))
        optimiser.tell(np.array(scores))
    assert max(scores) == 24
    # Where the initial one breaks the limits it begins at a sample.
    apart = toy.optimiser("walk", initial=start, feasible=lambda word: word[0] > 0)
    assert apart.ask()[0] > 0


def test_evolution_asks_ahead_until_it_selects() -> None:
    optimiser = toy.optimiser("evolution", population=14)
    assert optimiser.ahead == 13
    for _ in range(13):
        optimiser.ask()
    assert optimiser.ahead == 1


def test_an_algorithm_is_found_by_name() -> None:
    assert {"evolution", "aging", "random", "local", "walk"} <= set(NAMES)
    for algorithm in map(ALGORITHMS.__getitem__, NAMES):
        assert algorithm.summary.endswith((".", ","))
        assert algorithm.paper
    with pytest.raises(ValueError, match="registered twice"):
        register_algorithm("local", paper="", selects=False)(type(toy.optimiser("local")))
