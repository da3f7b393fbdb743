"""NAS-Bench-101's cells: enumerated, hashed, built."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks import BENCHMARKS
from benchmarks.nasbench101.architecture import module_hash
from benchmarks.nasbench101.enumeration import Enumeration, enumerate_cells
from harness.scores.store import Store
from harness.scoring.engine import Request, run
from tests.bench.clock import seconds


def nasbench101(cells: int, batch_size: int) -> None:
    """Enumerating, hashing and building NAS-Bench-101 cells, beside a score."""
    made: list[Enumeration] = []
    spent = seconds(lambda: made.append(enumerate_cells()))
    every = made[0]
    print(f"nasbench101, all {len(every):,} cells enumerated and hashed: {spent:.0f} s (< 180)")
    drawn = [every[row] for row in np.random.RandomState(0).choice(len(every), 20_000)]
    hashed = seconds(lambda: [module_hash(cell.matrix, cell.ops) for cell in drawn])
    print(f"nasbench101, hash rate: {len(drawn) / hashed:,.0f} cells/s")
    space = BENCHMARKS["nasbench101"].space
    few = drawn[:cells]
    costs = seconds(lambda: [space.costs(cell, "cifar10") for cell in drawn])
    built = seconds(lambda: [space.network(cell, "cifar10") for cell in few])
    request = Request("nasbench101", "cifar10", [c.id for c in few], ["nwot"], (0,), batch_size)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
        scored = seconds(lambda: run(request, store, workers=1))
    print(
        f"nasbench101, {1e6 * costs / len(drawn):.0f} us a cell for closed-form costs; "
        f"{1000 * built / cells:,.0f} ms to build a network, {100 * built / scored:.1f} % of "
        f"scoring it with nwot ({1000 * scored / cells:,.0f} ms)"
    )
