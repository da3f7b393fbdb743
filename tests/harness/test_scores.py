from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import InputError
from harness.engine import Request
from harness.proxies import PROXIES
from harness.scores import complete, export_frame, scores_of, sizes_of
from harness.store import Key, Record, Store
from tests.harness.networks import ALL_NONE, ALL_SKIP, LARGE, MIXED, SPACE

CELLS = sorted((MIXED, ALL_SKIP, ALL_NONE, LARGE), key=SPACE.index)
A, B, C, D = ARCHS = [cell.id for cell in CELLS]


def key(arch: str, proxy: str = "nwot", seed: int = 0, **changes: str | int) -> Key:
    base = Key("nasbench201", "cifar10", arch, proxy, 1, seed, 4, "gaussian", "kaiming")
    return replace(base, **changes)  # type: ignore[arg-type]


def failure(key: Key, status: str = "nan", **components: float) -> Record:
    return Record(key, None, status=status, components=components, seconds=9.0)


def request_for(*proxies: str, seeds: tuple[int, ...] = (0,)) -> Request:
    return Request("nasbench201", "cifar10", ARCHS, proxies, seeds, batch_size=4)


# ------------------------------------------------------------------ for the evaluation


def test_scores(store: Store) -> None:
    store.add(Record(key(arch), float(i), seconds=i + 1.0) for i, arch in enumerate((C, A)))
    store.add([failure(key(B), "-inf"), Record(key(B, seed=1), 7.0, seconds=6.0)])
    found = scores_of(store, request_for("naswot", "synflow", seeds=(0, 1)))
    assert list(found) == ["nwot", "synflow"]
    nan = math.nan
    expected = pd.DataFrame({0: [1.0, nan, 0.0, nan], 1: [nan, 7.0, nan, nan]}, index=ARCHS)
    pd.testing.assert_frame_equal(found["nwot"].values, expected)
    assert found["nwot"].seconds == (1 + 2 + 6) / 3  # of what has a score
    assert found["synflow"].values.isna().all(axis=None)
    assert found["synflow"].seconds == 0


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "cifar100"}, {"version": 2}, {"batch_size": 64}, {"input": "cifar10"},
        {"init": "default"}, {"proxy": "vkdnw"}, {"seed": 1},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_scores_of_another_protocol_do_not_count(
    store: Store, change: dict[str, str | int]
) -> None:
    store.add(Record(replace(key(arch), **change), 1.0) for arch in ARCHS)  # type: ignore[arg-type]
    assert scores_of(store, request_for("nwot"))["nwot"].values.isna().all(axis=None)
    assert complete(store, request_for("nwot"), ["nwot"]) == []


def test_complete(store: Store) -> None:
    request = request_for("params", seeds=(0, 1))
    for seed in (0, 1):
        store.add(Record(key(arch, "nwot", seed), 1.0) for arch in ARCHS)
        free = [replace(key(arch, "synflow", seed), batch_size=0, input="none") for arch in ARCHS]
        store.add(Record(each, 1.0) for each in free[seed:])
        store.add(Record(key(arch, "vkdnw", seed), 1.0) for arch in ARCHS[1:])
    store.add([failure(key(A, "vkdnw", 0)), failure(key(A, "vkdnw", 1))])
    assert complete(store, request, ["synflow", "vkdnw", "naswot", "flops"]) == ["nwot"]
    one_seed = replace(request, seeds=(0,))
    assert complete(store, one_seed, ["synflow", "nwot"]) == ["synflow", "nwot"]


def test_complete_forgives_a_rare_failure(store: Store) -> None:
    archs = [cell.id for cell in SPACE.architectures("all")[:100]]
    store.add(Record(key(arch), 1.0) for arch in archs[2:])
    request = replace(request_for("nwot"), archs=archs)
    assert complete(store, request, ["nwot"]) == ["nwot"]
    assert complete(store, replace(request, archs=archs[:99]), ["nwot"]) == []


def test_sizes() -> None:
    frame = sizes_of(request_for("nwot"))
    assert list(frame.index) == ARCHS
    for cell in CELLS:
        costs = SPACE.costs(cell, "cifar10")
        assert frame.loc[cell.id].to_dict() == {
            "params": costs.params, "flops": costs.flops, "layers": costs.layers,
        }  # fmt: skip


# ------------------------------------------------------------------ for export


def test_columns_and_rows(store: Store) -> None:
    parts = {"layers": 21.0, "entropy": 0.5, "decile_1": 0.1}
    for proxy, value in (("vkdnw", 1.0), ("vkdnw_exact", 2.0)):
        store.add([Record(key(B, proxy), value, components=parts, seconds=value / 8)])
    store.add([Record(key(B), 5.0, seconds=0.5), Record(key(A, seed=1), 6.0, seconds=0.75)])
    frame = export_frame(store, "nb201", "cifar10")
    columns = ["arch", "index", "seed", "nwot", "nwot_seconds"]
    for proxy in ("vkdnw", "vkdnw_exact"):
        parts_of = ("_layers", "_entropy", "_decile_1", "_seconds")
        columns += [proxy, *(f"{proxy}{part}" for part in parts_of)]
    assert list(frame.columns) == columns
    assert frame["arch"].tolist() == [A, B]
    assert frame["index"].tolist() == [SPACE.index(CELLS[0]), SPACE.index(CELLS[1])]
    assert frame["seed"].tolist() == [1, 0]
    first, second = frame.to_dict("records")
    assert (first["nwot"], first["nwot_seconds"]) == (6.0, 0.75)
    assert math.isnan(first["vkdnw"])
    assert (second["vkdnw"], second["vkdnw_seconds"]) == (1.0, 0.125)
    assert (second["vkdnw_exact"], second["vkdnw_exact_seconds"]) == (2.0, 0.25)
    assert (second["vkdnw_entropy"], second["vkdnw_exact_decile_1"]) == (0.5, 0.1)


def test_failures_are_nan(store: Store) -> None:
    store.add([Record(key(A), 1.0), failure(key(B), "error"), failure(key(C), part=3.0)])
    frame = export_frame(store, "nasbench201", "cifar10").set_index("arch")
    assert list(frame.columns) == ["index", "seed", "nwot", "nwot_part", "nwot_seconds"]
    assert frame["nwot"].tolist() == pytest.approx([1.0, math.nan, math.nan], nan_ok=True)
    assert frame.loc[C, "nwot_part"] == 3.0
    assert frame.loc[[B], "nwot_part"].isna().all()
    assert frame.loc[B, "nwot_seconds"] == 9.0


def test_a_proxy_of_parts_has_no_column_of_its_own(store: Store) -> None:
    store.add([Record(key(A, "parts"), None, components={"one": 1.0, "two": 2.0})])
    frame = export_frame(store, "nasbench201", "cifar10")
    assert list(frame.columns)[3:] == ["parts_one", "parts_two", "parts_seconds"]


def test_every_value_stays_with_its_architecture(store: Store) -> None:
    """Holes of every kind in random places; every cell of the table is looked up again."""
    rng = random.Random(0)
    cells = SPACE.architectures("all")[:8]
    records = {}
    for proxy in ("p", "q", "q_r"):
        for cell in cells:
            for seed in (0, 1):
                each = key(cell.id, proxy, seed)
                components = {"part": rng.random()} if rng.random() < 0.5 else {}
                value = rng.random() if rng.random() < 0.6 else None
                status = "ok" if value is not None else "nan"
                if rng.random() < 0.7:
                    records[each] = Record(each, value, status, "", components, rng.random())
    store.add(rng.sample(list(records.values()), len(records)))
    frame = export_frame(store, "nasbench201", "cifar10").set_index(["arch", "seed"])
    assert len(frame) == len({(each.arch, each.seed) for each in records})
    for proxy in ("p", "q", "q_r"):
        for arch, seed in frame.index:
            record = records.get(key(arch, proxy, seed))
            row = frame.loc[(arch, seed)]
            expected = {
                proxy: record.value if record else None,
                f"{proxy}_part": record.components.get("part") if record else None,
                f"{proxy}_seconds": record.seconds if record else None,
            }
            for column, value in expected.items():
                assert row[column] == value if value is not None else np.isnan(row[column])
    assert [int(i) for i in frame["index"]] == [SPACE.index(SPACE.parse(a)) for a, _ in frame.index]


def test_only_the_newest_version(store: Store) -> None:
    store.add([Record(key(A, version=1), 1.0), Record(key(B, version=1), 1.0)])
    store.add([Record(key(A, version=3), 3.0), Record(key(A, "synflow", version=1), 8.0)])
    frame = export_frame(store, "nasbench201", "cifar10")
    assert frame[["arch", "nwot", "synflow"]].to_numpy().tolist() == [[A, 3.0, 8.0]]


def test_several_protocols(store: Store) -> None:
    store.add([Record(key(A), 1.0), Record(key(A, batch_size=64), 2.0)])
    store.add([Record(key(A, batch_size=64, input="cifar10"), 3.0)])
    store.add([Record(key(A, "synflow", batch_size=0, input="none"), 4.0)])
    message = (
        r"nwot was scored under several protocols \(batch 4, gaussian input; "
        r"batch 64, cifar10 input; batch 64, gaussian input\)"
    )
    with pytest.raises(InputError, match=message):
        export_frame(store, "nasbench201", "cifar10")
    with pytest.raises(InputError, match="several protocols"):
        export_frame(store, "nasbench201", "cifar10", batch_size=64)

    def chosen(**options: int | str) -> list[float]:
        frame = export_frame(store, "nasbench201", "cifar10", **options)  # type: ignore[arg-type]
        return frame[["nwot", "synflow"]].iloc[0].tolist()

    assert chosen(batch_size=4) == [1.0, 4.0]  # what sees no batch is of every protocol
    assert chosen(input="cifar10") == [3.0, 4.0]
    assert chosen(batch_size=64, input="gaussian") == [2.0, 4.0]


def test_nothing_to_export(store: Store) -> None:
    store.add([Record(key(A), 1.0)])
    for benchmark, dataset, options in (
        ("nasbench201", "cifar100", {}),
        ("nasbench201", "cifar10", {"batch_size": 5}),
    ):
        with pytest.raises(InputError, match=f"holds no scores of nasbench201 on {dataset}"):
            export_frame(store, benchmark, dataset, **options)  # type: ignore[arg-type]


def test_keys_are_those_of_the_engine() -> None:
    # The other tests write keys by hand; they must be the ones that a request asks for.
    assert request_for("nwot").key(A, PROXIES["nwot"], 0) == key(A)
