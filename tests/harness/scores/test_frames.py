from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from harness.evaluation.aggregates import AGGREGATES, Aggregate
from harness.evaluation.judge import evaluate_all
from harness.proxies import PROXIES, Proxy, register_proxy
from harness.scores.coverage import complete
from harness.scores.frames import export_frame, features_of, rankings_of, scores_of, sizes_of
from harness.scores.names import check_names, check_ranks, proxies_of
from harness.scores.store import Key, Record, Store
from harness.scoring.engine import Request
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


# ------------------------------------------------------------------ parts, aggregates, models


@pytest.fixture
def parts_proxy(own_proxies: None) -> None:
    """`halves`: a proxy of two parts without a score of its own, and its aggregate."""

    @register_proxy("halves", paper="a test")
    def halves(network: object, batch: object) -> Mapping[str, float]:
        return {"left": 0.0, "right": 0.0}


@pytest.fixture
def halves(parts_proxy: None, monkeypatch: pytest.MonkeyPatch) -> Aggregate:
    """An aggregate that has the name of the proxy whose parts it joins."""
    aggregate = Aggregate("halves", ("halves.left", "halves.right", "nwot"), "rank")
    monkeypatch.setattr(AGGREGATES, "_entries", {**AGGREGATES._entries, "halves": aggregate})
    return aggregate


def of_parts(arch: str, seed: int = 0, seconds: float = 1.0, **parts: float) -> Record:
    status = "ok" if len(parts) == 2 else "nan"
    return Record(key(arch, "halves", seed), None, status=status, components=parts, seconds=seconds)


def test_good_parts_of_a_failed_record_count(store: Store, parts_proxy: None) -> None:
    store.add([of_parts(A, left=1.0, right=2.0), of_parts(B, left=3.0, seconds=4.0)])
    found = scores_of(store, request_for("halves"), ["halves.left", "halves.right"])
    nan = math.nan
    left, right = (found[f"halves.{part}"].values[0].tolist() for part in ("left", "right"))
    assert left == pytest.approx([1, 3, nan, nan], nan_ok=True)
    assert right == pytest.approx([2, nan, nan, nan], nan_ok=True)
    assert found["halves.left"].seconds == (1 + 4) / 2
    assert found["halves.right"].seconds == 1


def test_parts_alone_are_no_score(store: Store, parts_proxy: None) -> None:
    store.add([of_parts(A, left=1.0, right=2.0), of_parts(B, left=3.0)])
    with pytest.raises(InputError, match=r"name one: halves\.left, halves\.right"):
        scores_of(store, request_for("halves"))
    with pytest.raises(InputError, match="no part 'middle'; its parts: left, right"):
        scores_of(store, request_for("halves"), ["halves.middle"])


def test_a_part_that_always_fails_is_no_unknown_part(store: Store, parts_proxy: None) -> None:
    store.add([of_parts(A, left=1.0), of_parts(B, left=3.0)])
    found = scores_of(store, request_for("halves"), ["halves.right"])
    assert found["halves.right"].values.isna().all(axis=None)


def test_aggregates_join_members_seed_by_seed(store: Store, halves: Aggregate) -> None:
    values = {(A, 0): (1, 4), (B, 0): (2, 3), (A, 1): (9, 9), (B, 1): (5, 5), (D, 1): (7, 1)}
    for (arch, seed), (left, right) in values.items():
        store.add([of_parts(arch, seed, seconds=2.0, left=left, right=right)])
    store.add([of_parts(C, 0, left=3.0, seconds=2.0)])  # its right half failed
    store.add(Record(key(arch, "nwot", 0), 1.0, seconds=3.0) for arch in (A, B))
    request = request_for("halves", "nwot", seeds=(0, 1))
    found = scores_of(store, request, ["halves"])["halves"]
    # Seed 0: left A, B, C rank 2, 3, 4 and D 1; right A, B 4, 3 and C, D 1.5; nwot tied in pairs.
    first = [2 + 4 + 3.5, 3 + 3 + 3.5, 4 + 1.5 + 1.5, math.nan]
    assert found.values[0].tolist() == pytest.approx(first, nan_ok=True)
    second = [4 + 4 + 2.5, 2 + 3 + 2.5, math.nan, 3 + 2 + 2.5]
    assert found.values[1].tolist() == pytest.approx(second, nan_ok=True)
    assert found.seconds == 2 + 3  # each proxy once


def test_formulas_are_names(store: Store, halves: Aggregate) -> None:
    for arch, value in zip(ARCHS, (1.0, 2.0, 3.0, 4.0), strict=True):
        store.add([Record(key(arch), value), of_parts(arch, left=-value, right=0.0)])
    request = request_for("nwot", "halves")
    names = ["rank(nwot, halves.left)", "mine=rank(nwot,halves)", "naswot", "nwot"]
    found = scores_of(store, request, names)
    assert list(found) == ["rank(nwot,halves.left)", "mine", "nwot"]
    assert found["rank(nwot,halves.left)"].values[0].tolist() == [5, 5, 5, 5]
    ranks = scores_of(store, request, ["halves"])["halves"].values[0].rank()  # one in the other
    assert found["mine"].values[0].tolist() == (ranks + np.arange(1, 5)).tolist()
    assert proxies_of(names) == ["nwot", "halves"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["nwot=rank(synflow,flops)"], "'nwot' is taken"),
        (["az_nas=rank(synflow,flops)"], "'az_nas' is taken"),
        (["graf_m=rank(synflow,flops)"], "'graf_m' is taken"),
        (["a=rank(nwot,flops)", "a=rank(nwot,params)"], "'a' names two aggregates"),
        (["rank(nwto,flops)"], "did you mean 'nwot'"),
        (["mean(nwot,flops)"], "unknown rule 'mean'"),
        (["nwto"], "did you mean 'nwot'"),
    ],
)
def test_names_that_mean_nothing(names: list[str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        check_names(names, "nasbench201")
    assert words in str(caught.value)


def test_complete_parts_and_aggregates(store: Store, halves: Aggregate) -> None:
    request = request_for("params")
    store.add(Record(key(arch), 1.0) for arch in ARCHS)
    store.add([of_parts(arch, left=1.0, right=2.0) for arch in (A, B, C)])
    names = ["halves", "halves.left", "halves.right", "nwot"]
    assert complete(store, request, names) == ["nwot"]  # D is not scored
    store.add([of_parts(D, left=1.0)])
    assert complete(store, request, names) == ["halves.left", "nwot"]
    store.add([of_parts(D, left=1.0, right=1.0)], replace=True)
    assert complete(store, request, names) == ["halves", "halves.left", "halves.right", "nwot"]


def test_a_proxy_of_parts_is_not_complete_by_itself(store: Store, parts_proxy: None) -> None:
    store.add([of_parts(arch, left=1.0, right=2.0) for arch in ARCHS])
    assert complete(store, request_for("params"), ["halves", "halves.left"]) == ["halves.left"]


def test_models_need_their_members(store: Store, parts_proxy: None) -> None:
    assert proxies_of(["vkdnw_m", "graf_m", "flops"]) == ["vkdnw", "layers", "flops"]
    deciles = {f"decile_{k}": 0.1 * k for k in range(1, 10)}
    for number, arch in enumerate(ARCHS):
        store.add([Record(key(arch, "vkdnw"), 1.0, components=deciles, seconds=8.0)])
        for size in ("layers", "flops"):
            free = replace(key(arch, size), batch_size=0, input="none", init="none")
            store.add([Record(free, float(number), seconds=1.0)])
    request = request_for("vkdnw", "layers", "flops")
    given = features_of(store, request, "vkdnw_m")
    (table,) = given.tables
    assert table["flops"].tolist() == [0, 1, 2, 3]
    assert table["vkdnw.decile_9"].tolist() == pytest.approx([0.9] * 4)
    assert given.seconds == 8 + 1 + 1


def test_graf_is_of_spaces_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(BENCHMARKS["nasbench201"], name="other")
    monkeypatch.setattr(BENCHMARKS, "_entries", {**BENCHMARKS._entries, "other": other})
    for name in ("nb201", "other"):
        check_names(["vkdnw_m", "graf_m"], name)
    check_names(["vkdnw_m"], "mobilenetv2")
    with pytest.raises(InputError, match=r"graf_m takes GRAF .* leave it out on mobilenetv2"):
        check_names(["graf_m"], "mobilenetv2")


def test_one_table_of_proxies_aggregates_and_models(store: Store) -> None:
    archs = [cell.id for cell in SPACE.architectures("reachable")[:12]]
    store.add(Record(key(arch), float(k % 5)) for k, arch in enumerate(archs))
    request = replace(request_for("nwot"), archs=archs)
    accuracies = pd.Series(range(50, 62), index=archs, dtype=float)
    truth = Accuracies(accuracies, "a protocol", "a table", "someone")
    names = ["graf_m", "nwot", "mine=rank(nwot)", "graf_m"]
    sizes = sizes_of(request)
    scores, features = rankings_of(store, request, names)
    table = evaluate_all(scores, features, truth, sizes, ndcg_p=lambda n: 3, resamples=10)
    assert table["proxy"].tolist() == ["nwot", "mine", "graf_m"]
    assert list(scores) == ["nwot", "mine"]
    assert table["kendall_tau"][0] == table["kendall_tau"][1]
    assert table["trained_on"].tolist() == pytest.approx([math.nan, math.nan, 6], nan_ok=True)
    assert table["n"].tolist() == [12, 12, 6]
    alone, _ = rankings_of(store, request, ["nwot"])
    plain = evaluate_all(alone, {}, truth, sizes, ndcg_p=lambda n: 3, resamples=10)
    assert [*plain.columns, "trained_on"] == list(table.columns)


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


# ------------------------------------------------------------------ names


@pytest.fixture
def stating_proxy(own_proxies: None) -> None:
    """`halves`, which says that it has two parts and no score."""

    @dataclass(frozen=True)
    class Stating(Proxy):
        parts: tuple[str, ...] | None = ("left", "right")
        has_score: bool = False

    plain = PROXIES["nwot"]
    given = {field.name: getattr(plain, field.name) for field in fields(Proxy)}
    given |= {"name": "halves", "parts": ("left", "right"), "has_score": False}
    PROXIES.add("halves", Stating(**given))


@pytest.mark.parametrize("name", ["halves.lefft", "rank(halves.lefft,nwot)"])
def test_a_misspelt_part_is_refused_before_scoring(stating_proxy: None, name: str) -> None:
    check_names(["halves.left"], "nasbench201")
    with pytest.raises(InputError, match=r"no part 'lefft'; did you mean 'halves\.left'\? Its"):
        check_names([name], "nasbench201")


def test_what_gives_only_parts_does_not_rank(stating_proxy: None) -> None:
    check_names(["halves"], "nasbench201")  # it can be scored
    with pytest.raises(InputError, match=r"name one: halves\.left, halves\.right"):
        check_ranks(["nwot", "halves"])
    check_ranks(["halves.left", "az_nas", "graf_m", "nwot@them", "rank(halves.left,nwot)"])
