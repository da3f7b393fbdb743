"""Local search."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from harness.evaluation.metrics import Array
from harness.search.optimiser import Moves, Optimiser, register_algorithm

A = TypeVar("A")


@register_algorithm("local", paper="arXiv:2004.08996", selects=False)
class LocalSearch(Optimiser[A]):
    """Hill climbing: neighbours in random order, to the first that is better, until none is.

    At a local optimum it begins again at a sample. A neighbour that was scored before is
    compared and not asked for again.

    Den Ottelander et al., "Local Search is a Remarkably Strong Baseline for NAS", EMO 2021
    (arXiv:2004.08996); White et al., UAI 2021 (arXiv:2005.02960).
    """

    def __init__(self, moves: Moves[A], population: int, seed: int) -> None:
        super().__init__(moves, population, seed)
        self._current: int | None = None  # where the climb stands; None: at what was asked last
        self._order = self._place = 0  # seed of the neighbours' order, and how many are dealt with
        self._rest: Iterator[A] = iter(())
        self._seen: dict[A, int] = {}

    def ask(self) -> A:
        """The next neighbour, or a sample to begin again at."""
        chosen = self.propose()
        self._seen[chosen] = len(self.history)
        self.history.append(chosen)
        return chosen

    def propose(self) -> A:
        """As `ask`."""
        if self.history:
            newest = len(self.history) - 1
            if self._current is None or self.scores[newest] > self.scores[self._current]:
                self._move(newest)
            while (candidate := next(self._rest, None)) is not None:
                self._place += 1
                known = self._seen.get(candidate)
                if known is not None and self.scores[known] > self.scores[self._current or 0]:
                    self._move(known)
                elif known is None and self.moves.feasible(candidate):
                    return candidate
        self._current = None
        return self.keeping_limits(lambda: self.moves.sample(self.rng))

    def _move(self, to: int) -> None:
        self._current, self._order, self._place = to, self.rng.getrandbits(32), 0
        self._rest = self._neighbours()

    def _neighbours(self) -> Iterator[A]:
        around = list(self.moves.neighbours(self.history[self._current or 0]))
        random.Random(self._order).shuffle(around)
        return islice(around, self._place, None)

    def state(self) -> dict[str, Any]:
        """With the place of the climb."""
        climb = [self._current, self._order, self._place]
        return {**super().state(), "climb": climb}

    def restore(self, state: Mapping[str, Any], history: Sequence[A], scores: Array) -> None:
        """Go on from `state`."""
        super().restore(state, history, scores)
        self._seen = {}
        for place, architecture in enumerate(self.history):
            self._seen[architecture] = place
        self._current, self._order, self._place = state["climb"]
        if self._current is not None:
            self._rest = self._neighbours()
