"""Which architectures are scored: seeded, nested samples of a set, or a list in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.errors import InputError
from benchmarks.types import Architecture

A = TypeVar("A", bound=Architecture)


def sample(architectures: Sequence[A], size: int | None, seed: int) -> list[A]:
    """A uniform random subset, drawn without replacement; see `sample_ids`.

    Args:
        architectures: The set.
        size: How many; None for all, in the set's own order.
        seed: Of the sample.

    Raises:
        InputError: The set is smaller than the sample.
    """
    by_id = {architecture.id: architecture for architecture in architectures}
    return [by_id[each] for each in sample_ids(list(by_id), size, seed)]


def sample_ids(ids: Sequence[str], size: int | None, seed: int) -> list[str]:
    """A uniform random subset of architecture ids, drawn without replacement.

    Architectures are ordered by a hash of seed and id, so samples of one seed are nested (the
    first 300 of 1,000 are the sample of 300), and do not depend on any library's generator.

    Args:
        ids: Those of the set.
        size: How many; None for all, in the set's own order.
        seed: Of the sample.

    Raises:
        InputError: The set is smaller than the sample.
    """
    if size is None:
        return list(ids)
    if not 1 <= size <= len(ids):
        raise InputError(
            f"a sample of {size} cannot be drawn from {len(ids)} architectures; "
            f"ask for 1 to {len(ids)}, or all"
        )
    return sorted(ids, key=lambda arch: hashlib.sha256(f"{seed}:{arch}".encode()).digest())[:size]


def read_list(path: Path, parse: Callable[[str], A]) -> list[A]:
    """Architectures named in a file, one a line; blank lines and lines with # are skipped.

    Args:
        path: The file.
        parse: Reads one name: a string, an index or a hash.

    Returns:
        Each architecture once, in the order of the file.

    Raises:
        InputError: The file cannot be read, is empty, or a line names no architecture.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the architecture list {path}: {error}") from error
    found: dict[str, A] = {}
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        try:
            architecture = parse(name)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
        found.setdefault(architecture.id, architecture)
    if not found:
        raise InputError(f"{path} names no architecture; expected one a line")
    return list(found.values())
