"""Seeded, nested samples of architecture sets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from benchmarks.errors import InputError
from benchmarks.types import Architecture

A = TypeVar("A", bound=Architecture)


def sample(architectures: Sequence[A], size: int | None, seed: int) -> list[A]:
    """A uniform random subset, drawn without replacement.

    Architectures are ordered by a hash of seed and id, so samples of one seed are nested (the
    first 300 of 1,000 are the sample of 300), and do not depend on any library's generator.

    Args:
        architectures: The set.
        size: How many; None for all, in the set's own order.
        seed: Of the sample.

    Raises:
        InputError: The set is smaller than the sample.
    """
    if size is None:
        return list(architectures)
    if not 1 <= size <= len(architectures):
        raise InputError(
            f"a sample of {size} cannot be drawn from {len(architectures)} architectures; "
            f"ask for 1 to {len(architectures)}, or all"
        )
    return sorted(architectures, key=lambda a: _rank(a, seed))[:size]


def _rank(architecture: Architecture, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{architecture.id}".encode()).digest()
