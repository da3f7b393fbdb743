"""A space of six digits 0..4, as optimisers are given one."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from harness.search import ALGORITHMS, Moves, Objective, Optimiser, Scored

Word = tuple[int, ...]
LENGTH, DIGITS = 6, 5


def sample(rng: random.Random) -> Word:
    return tuple(rng.randrange(DIGITS) for _ in range(LENGTH))


def mutate(word: Word, rng: random.Random, times: int = 1) -> Word:
    for _ in range(times):
        place = rng.randrange(LENGTH)
        digit = (word[place] + rng.randrange(1, DIGITS)) % DIGITS
        word = (*word[:place], digit, *word[place + 1 :])
    return word


def neighbours(word: Word) -> Iterator[Word]:
    for place, mine in enumerate(word):
        for digit in range(DIGITS):
            if digit != mine:
                yield (*word[:place], digit, *word[place + 1 :])


def moves(
    feasible: Callable[[Word], bool] = lambda word: True, initial: Word | None = None
) -> Moves[Word]:
    return Moves(sample, mutate, neighbours, feasible, initial)


def parse(text: str) -> Word:
    return tuple(json.loads(text))


def name(word: Word) -> str:
    return json.dumps(word)


def size(word: Word) -> float:
    return float(sum(word))


def rise(word: Word) -> float:
    """Has ties, and fails where the first digit is 2."""
    return math.nan if word[0] == 2 else float(sum(a < b for a, b in pairwise(word)))


def evaluate(objective: Objective) -> Callable[[Sequence[Word]], list[Scored]]:
    of = {"size": size, "rise": rise}

    def score(words: Sequence[Word]) -> list[Scored]:
        rows = [tuple(of[member](word) for member in objective.members) for word in words]
        return [Scored(row, "ok", True, 0.5) for row in rows]

    return score


def optimiser(
    algorithm: str, seed: int = 0, population: int = 14, **options: object
) -> Optimiser[Word]:
    return ALGORITHMS[algorithm].make(moves(**options), population, seed)  # type: ignore[arg-type]
