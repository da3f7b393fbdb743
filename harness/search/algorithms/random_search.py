"""Random search."""

from __future__ import annotations

import sys
from typing import TypeVar

from harness.search.optimiser import Optimiser, register_algorithm

A = TypeVar("A")


@register_algorithm("random", paper="baseline", selects=False)
class RandomSearch(Optimiser[A]):
    """Independent samples; the best of them is what the objective alone can tell."""

    @property
    def ahead(self) -> int:
        """No sample depends on a score."""
        return sys.maxsize

    def propose(self) -> A:
        """A sample."""
        return self.moves.sample(self.rng)
