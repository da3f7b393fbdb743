"""The evolutionary search of AZ-NAS and VKDNW from the words of the specification; slow.

Everything is recomputed over the whole history in every step, and scores are called for one at a
time.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def evolution(
    iterations: int,
    population: int,
    rng: random.Random,
    start: Callable[[random.Random], Any],
    mutate: Callable[[Any, random.Random], Any],
    fits: Callable[[Any], bool],
    proxies: Sequence[Callable[[Any], float]],
) -> tuple[list[Any], Any]:
    """All architectures in order, and the best by the final aggregate."""
    history: list[Any] = []
    scores: list[list[float]] = [[] for _ in proxies]
    aggregate = np.empty(0)
    while len(history) < iterations:
        if len(history) <= 10:
            candidate = start(rng)
        elif len(history) < population - 1:
            candidate = mutate(mutate(history[rng.randrange(len(history))], rng), rng)
        else:
            top = sorted(np.argsort(aggregate, kind="stable")[-population + 1 :])
            candidate = mutate(mutate(history[top[rng.randrange(len(top))]], rng), rng)
        if not fits(candidate):
            continue
        history.append(candidate)
        for column, proxy in zip(scores, proxies, strict=True):
            column.append(proxy(candidate))
        n = len(history)
        aggregate = np.zeros(n)
        for column in scores:
            for i, value in enumerate(column):
                worse = sum(other < value for other in column)
                level = sum(other == value for other in column)
                aggregate[i] += math.log((worse + (level + 1) / 2) / n)
    return history, history[int(np.argmax(aggregate))]
