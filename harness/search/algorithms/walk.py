"""The walk of UniNAS: the best so far, edited."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from harness.search.optimiser import Optimiser, register_algorithm

A = TypeVar("A")


@register_algorithm("walk", paper="UniNAS", selects=False)
class Walk(Optimiser[A]):
    """The best so far with one edit; it begins at the initial architecture.

    Without an initial architecture that keeps the limits it begins at a sample. Of equal scores
    the later is the best: edits that change no score let the walk drift. The paper gives budget,
    score and number of steps, but not when a step is accepted; this is the plainest rule.
    """

    def propose(self) -> A:
        """The start, then mutants of the best."""
        if not self.history:
            initial = self.moves.initial
            if initial is not None and self.moves.feasible(initial):
                return initial
            return self.moves.sample(self.rng)
        best = len(self.scores) - 1 - int(np.argmax(self.scores[::-1]))
        return self.moves.mutate(self.history[best], self.rng, 1)
