"""How a search algorithm is declared, and what all of them share."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from benchmarks.errors import InputError
from benchmarks.registry import Registry
from harness.evaluation.metrics import Array

A = TypeVar("A")

#: So many proposals in a row that break the limits mean that none keeps them.
TRIES = 10_000


class NothingFeasible(InputError):  # noqa: N818 - it reads as what it says
    """`TRIES` proposals in a row broke the limits."""


@dataclass(frozen=True)
class Moves(Generic[A]):
    """What an optimiser can do in a space, which it does not know.

    Attributes:
        sample: A random architecture.
        mutate: An architecture after that many random edits.
        neighbours: All that are one edit away.
        feasible: Whether an architecture keeps the limits.
        initial: Where evolution begins; None: at samples.
    """

    sample: Callable[[random.Random], A]
    mutate: Callable[[A, random.Random, int], A]
    neighbours: Callable[[A], Iterable[A]]
    feasible: Callable[[A], bool]
    initial: A | None = None


class Optimiser(ABC, Generic[A]):
    """Asks for architectures to be scored, and is told the scores.

    An aggregate ranks all that was scored anew with every architecture, so `tell` takes the
    scores of the whole history. Everything random comes from the optimiser's own generator: equal
    seeds and scores give equal architectures, and `state` and `restore` carry that over.

    Args:
        moves: The space.
        population: Architectures that compete; what that means is the algorithm's.
        seed: Of the generator.

    Attributes:
        history: All architectures asked for, in order.
        scores: (n,) current scores of the first n of them, higher is better, never NaN.
    """

    def __init__(self, moves: Moves[A], population: int, seed: int) -> None:
        self.moves, self.population = moves, population
        self.rng = random.Random(seed)
        self.history: list[A] = []
        self.scores: Array = np.empty(0)

    @property
    def ahead(self) -> int:
        """How many architectures can be asked for before the next `tell`; at least 1."""
        return 1

    @abstractmethod
    def propose(self) -> A:
        """The next candidate, which may break the limits."""

    def ask(self) -> A:
        """The next architecture to score; it keeps the limits.

        Raises:
            NothingFeasible: None was found.
        """
        chosen = self.keeping_limits(self.propose)
        self.history.append(chosen)
        return chosen

    def tell(self, scores: Array) -> None:
        """Take the current scores of the whole history.

        Args:
            scores: (n,) for the n architectures asked for; a failed one has -inf.

        Raises:
            ValueError: They are not n, or one is NaN.
        """
        if scores.shape != (len(self.history),) or np.isnan(scores[-1:]).any():
            raise ValueError(f"{len(self.history)} scores expected, none NaN; got {scores.shape}")
        self.scores = scores

    def keeping_limits(self, draw: Callable[[], A]) -> A:
        """The first draw that keeps the limits; those that do not count for nothing."""
        for _ in range(TRIES):
            candidate = draw()
            if self.moves.feasible(candidate):
                return candidate
        raise NothingFeasible(f"{TRIES:,} proposals in a row broke the limits of the search")

    def state(self) -> dict[str, Any]:
        """What `restore` needs besides the history; plain data for JSON."""
        version, internal, gauss = self.rng.getstate()
        return {"rng": [version, list(internal), gauss]}

    def restore(self, state: Mapping[str, Any], history: Sequence[A], scores: Array) -> None:
        """Go on where another optimiser of the same arguments gave `state` after a `tell`."""
        version, internal, gauss = state["rng"]
        self.rng.setstate((version, tuple(internal), gauss))
        self.history = list(history)
        self.tell(scores)


@dataclass(frozen=True)
class Algorithm:
    """A registered search algorithm.

    Attributes:
        name: The field's name for it.
        make: Takes moves, population and seed.
        paper: Where it comes from.
        selects: Whether it has a population, after which selection begins.
    """

    name: str
    make: Callable[[Moves[Any], int, int], Optimiser[Any]]
    paper: str
    selects: bool

    @property
    def summary(self) -> str:
        """First line of its docstring."""
        return (self.make.__doc__ or "").strip().split("\n")[0]


#: Every algorithm, by name. A module here that registers one is found on first use.
ALGORITHMS: Registry[Algorithm] = Registry("algorithm", package="harness.search.algorithms")

O = TypeVar("O", bound=type[Optimiser[Any]])  # noqa: E741


def register_algorithm(name: str, *, paper: str, selects: bool) -> Callable[[O], O]:
    """Declare an algorithm; the class is returned unchanged. Arguments as in `Algorithm`."""

    def register(optimiser: O) -> O:
        ALGORITHMS.add(name, Algorithm(name, optimiser, paper, selects))
        return optimiser

    return register
