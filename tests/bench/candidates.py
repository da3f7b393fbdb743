"""Candidates of a search: mutated, limited, scored."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from benchmarks.mobilenetv2.space import MobileNetV2Space
from harness.scores.names import proxies_of
from harness.scores.store import Store
from harness.scoring.engine import Request, run


def candidates(count: int = 20_000) -> None:
    """Mutations of MobileNetV2 structures with the check of their limits; no network is built."""
    space, rng = MobileNetV2Space(), random.Random(0)
    parents = [space.initial]
    tried = 0

    def search() -> None:
        nonlocal tried
        for _ in range(count):
            child = space.mutate(rng.choice(parents), rng)
            limits = space.limits(child, "imagenet")
            tried += 1
            if limits["flops"] <= 450e6 and limits["layers"] <= 14:
                parents.append(child)

    # CPU time: this is one thread of plain Python, and others may be busy here.
    started = time.process_time()
    search()
    searched = time.process_time()
    for parent in parents[-5:]:
        space.network(parent, "imagenet")
    built = (time.process_time() - searched) / 5
    rate = tried / (searched - started)
    print(
        "mobilenetv2 candidates, mutated and checked against 450M FLOPs and 14 layers: "
        f"{rate:,.0f} a CPU second (> 1,000), {(len(parents) - 1) / tried:.0%} kept; "
        f"building the network instead: {1 / built:,.0f} a CPU second",
        flush=True,
    )
    dataset, scored = "imagenet-64-10", [parent.id for parent in parents[-5:]]
    proxies = proxies_of(["vkdnw_agg"])
    request = Request("mobilenetv2", dataset, scored, proxies, batch_size=16)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
        started = time.process_time()
        run(request, store, workers=1)
        rate = len(scored) / (time.process_time() - started)
    print(f"the same scored with vkdnw_agg at {dataset}, batch 16: {rate:.2f} a CPU second")
