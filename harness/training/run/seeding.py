"""Random numbers of a training: each draw is a function of the run's seed and of what it is for.

So nothing but the step has to be kept to go on with the same draws, and it does not matter which
process or worker draws.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.types import derive_seed


def seed_all(*parts: object) -> None:
    """Seed the global generators of `random`, NumPy and PyTorch by the parts of a key."""
    torch.manual_seed(_seed_cpu(*parts))


def _seed_cpu(*parts: object) -> int:
    """The same without the GPU's, whose seeding costs more than augmenting a small image."""
    seed = derive_seed("training", *parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    return seed


@contextlib.contextmanager
def seeded(*parts: object) -> Iterator[None]:
    """Within, the generators are seeded; after it they go on where they were. Not the GPU's."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    _seed_cpu(*parts)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
