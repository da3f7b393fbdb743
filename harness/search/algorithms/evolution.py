"""The evolutionary search of ZenNAS, AZ-NAS and VKDNW."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from harness.search.optimiser import Optimiser, register_algorithm

A = TypeVar("A")

#: While the history is no longer, candidates come from the initial architecture.
FIRST = 10


@register_algorithm("evolution", paper="arXiv:2403.19232", selects=True)
class Evolution(Optimiser[A]):
    """Evolution as in the public code of AZ-NAS and VKDNW.

    While the history has at most ten architectures, the initial one with one edit (a sample,
    where the space has none); while it is shorter than the population less one, a uniformly
    chosen one of it with two edits; then one of the best (population - 1) of the whole history,
    by current score, with two edits. What breaks the limits is drawn anew, parent and all.
    Nothing is ever removed; of equal scores at the margin, the later are kept.

    Lin et al., "Zen-NAS", ICCV 2021 (arXiv:2102.01063); Lee and Ham, "AZ-NAS", CVPR 2024
    (arXiv:2403.19232); published settings: population 1024, seed 123.
    """

    _top: tuple[int, np.ndarray] = (0, np.empty(0, dtype=int))

    @property
    def ahead(self) -> int:
        """Until selection begins, no candidate depends on a score."""
        return max(1, max(FIRST + 1, self.population - 1) - len(self.history))

    def propose(self) -> A:
        """A mutant."""
        n = len(self.history)
        if n <= FIRST:
            if self.moves.initial is None:
                return self.moves.sample(self.rng)
            return self.moves.mutate(self.moves.initial, self.rng, 1)
        if n < self.population - 1:
            parent = self.rng.randrange(n)
        else:
            best = self._best()
            parent = int(best[self.rng.randrange(len(best))])
        return self.moves.mutate(self.history[parent], self.rng, 2)

    def _best(self) -> np.ndarray:
        """Places of the best (population - 1) in the history, in its order."""
        n, size = len(self.scores), self.population - 1
        if self._top[0] != n:
            margin = np.partition(self.scores, n - size)[n - size]
            above = np.flatnonzero(self.scores > margin)
            level = np.flatnonzero(self.scores == margin)[len(above) - size :]
            self._top = n, np.sort(np.concatenate([above, level]))
        return self._top[1]
