"""Aging evolution."""

from __future__ import annotations

from typing import TypeVar

from harness.search.optimiser import Optimiser, register_algorithm

A = TypeVar("A")


@register_algorithm("aging", paper="arXiv:1802.01548", selects=True)
class Aging(Optimiser[A]):
    """Aging (regularised) evolution: the parent is the best of a few, the oldest goes.

    The population begins with samples. Then a quarter of it (25 of 100 in the paper) is drawn
    with replacement, the best drawn is mutated once, and the oldest member makes room.

    Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019
    (arXiv:1802.01548), algorithm 1.
    """

    @property
    def ahead(self) -> int:
        """Samples depend on no score."""
        return max(1, self.population - len(self.history))

    def propose(self) -> A:
        """A sample, then mutants."""
        n = len(self.history)
        if n < self.population:
            return self.moves.sample(self.rng)
        drawn = [
            self.rng.randrange(n - self.population, n) for _ in range(max(1, self.population // 4))
        ]
        parent = max(drawn, key=self.scores.__getitem__)
        return self.moves.mutate(self.history[parent], self.rng, 1)
