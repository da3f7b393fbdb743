"""What a store holds of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.nasbench201.enumeration import official_order
from harness.proxies import PROXIES
from harness.scores.coverage import held
from harness.scores.store import Record, Store
from harness.scoring.engine import Request

ARCHS = [cell.id for cell in official_order()[:20]]
REQUEST = Request("nasbench201", "cifar10", ARCHS, ["nwot"], seeds=(0, 1))


def put(store: Store, name: str, archs: Sequence[str], seed: int = 0, batch: int = 64) -> None:
    request = replace(REQUEST, batch_size=batch)
    keys = [request.key(arch, PROXIES[name], seed) for arch in archs]
    parts = {"expressivity": 1.0, "trainability": 2.0} if name == "az_nas" else {}
    store.add(
        Record(key, float(n), components=parts, device=f"gpu {batch}") for n, key in enumerate(keys)
    )


def test_the_requested_batch_is_taken_unless_another_has_more(store: Store) -> None:
    put(store, "nwot", ARCHS[:10])
    put(store, "nwot", ARCHS[:10], batch=32)
    found = held(store, REQUEST, "nwot")
    assert found is not None
    assert (found.batches, found.devices, len(found.request.archs)) == (
        {"nwot": 64},
        ("gpu 64",),
        10,
    )
    put(store, "nwot", ARCHS[:12], batch=16)
    found = held(store, REQUEST, "nwot")
    assert found is not None
    assert (found.batches, found.devices, found.request.archs) == (
        {"nwot": 16},
        ("gpu 16",),
        ARCHS[:12],
    )
    assert found.scores is not None
    assert list(found.scores.values.index) == ARCHS
    assert int(np.isfinite(found.scores.values.to_numpy()).sum()) == 12


def test_a_seed_half_scored_does_not_count(store: Store) -> None:
    put(store, "nwot", ARCHS)
    put(store, "nwot", ARCHS[:10], seed=1)
    found = held(store, REQUEST, "nwot")
    assert found is not None
    assert list(found.request.seeds) == [0]
    put(store, "nwot", ARCHS[10:], seed=1)
    found = held(store, REQUEST, "nwot")
    assert found is not None
    assert list(found.request.seeds) == [0, 1]


def test_too_little_is_nothing(store: Store) -> None:
    assert held(store, REQUEST, "nwot") is None
    put(store, "nwot", ARCHS[:2])
    assert held(store, REQUEST, "nwot") is None


def test_each_proxy_has_its_own_batch(store: Store) -> None:
    put(store, "snip", ARCHS, batch=32)
    put(store, "nwot", ARCHS)
    found = held(store, REQUEST, "rank(snip,nwot)")
    assert found is not None
    assert found.batches == {"snip": 32, "nwot": 64}
    assert found.batch == "64, snip 32"
    alone = held(store, REQUEST, "snip")
    assert alone is not None
    assert alone.batch == "32"


def test_an_aggregate_needs_all_its_members(store: Store) -> None:
    put(store, "te_nas", ARCHS, batch=32)
    for name in ("vkdnw", "jacov", "az_nas"):
        put(store, name, ARCHS[:9] if name == "jacov" else ARCHS)
    assert held(store, REQUEST, "vkdnw_agg") is None
    put(store, "flops", ARCHS)
    request = held(store, REQUEST, "vkdnw_agg")
    assert request is not None
    assert request.request.archs == ARCHS[:9]


def test_distinct_values(store: Store) -> None:
    put(store, "nwot", ARCHS[:3])
    put(store, "nwot", ARCHS[:3], batch=32)
    assert store.distinct("batch_size", proxy="nwot") == [32, 64]
    assert store.distinct("batch_size", proxy=["vkdnw"]) == []
    with pytest.raises(ValueError, match="no column"):
        store.distinct("batch_size; --")
