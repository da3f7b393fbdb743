"""All cells of NAS-Bench-201 in official index order, and the architecture sets."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from benchmarks.errors import InputError
from benchmarks.nasbench201.architecture import EDGES, OPS, Cell

#: `reachable` (9,445 cells) is the set behind the papers' tables, hence the default;
#: `all` has 15,625 cells, `unique` one for each of the 6,466 isomorphism strings.
SETS = ("reachable", "all", "unique")
SIZE = 15_625

_OFFICIAL_SHUFFLE_SEED = 88


@functools.cache
def official_order() -> tuple[Cell, ...]:
    """All 15,625 cells in the official index order.

    The benchmark lists the Cartesian product and shuffles it with Python's generator
    seeded 88; the sequence of `random.Random(88).shuffle` has been stable since Python 3.2.
    """
    cells = [Cell(ops) for ops in itertools.product(OPS, repeat=len(EDGES))]  # type: ignore[arg-type]
    random.Random(_OFFICIAL_SHUFFLE_SEED).shuffle(cells)
    return tuple(cells)


@functools.cache
def official_index() -> Mapping[Cell, int]:
    """Official index of every cell."""
    return MappingProxyType({cell: index for index, cell in enumerate(official_order())})


@functools.cache
def _representatives() -> Mapping[tuple[str, tuple[int, int]], Cell]:
    """The first cell in official order of each `_kind`; there are 7,700."""
    return MappingProxyType({_kind(cell): cell for cell in reversed(official_order())})


def _kind(cell: Cell) -> tuple[str, tuple[int, int]]:
    """Isomorphism string and size (its counts of convolutions): what makes cells one network.

    Dead edges and duplicated branches leave the string alone and change the size, on which
    proxies depend.
    """
    return cell.isomorphism, (cell.ops.count("nor_conv_1x1"), cell.ops.count("nor_conv_3x3"))


def _unique() -> Iterator[Cell]:
    seen: set[str] = set()
    for cell in official_order():
        if cell.isomorphism not in seen:
            seen.add(cell.isomorphism)
            yield cell


def canonical(cell: Cell) -> Cell:
    """The first cell in official order with the same isomorphism string and size."""
    return _representatives()[_kind(cell)]


@functools.cache
def architectures(name: str) -> tuple[Cell, ...]:
    """Cells of the set `name` in official index order.

    Raises:
        InputError: The set is unknown.
    """
    match name:
        case "all":
            return official_order()
        case "reachable":
            return tuple(cell for cell in official_order() if cell.reachable)
        case "unique":
            return tuple(_unique())
    raise InputError(f"unknown NAS-Bench-201 set {name!r}; known: {', '.join(SETS)}")
