from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import InputError
from benchmarks.types import Batch
from harness.paths import BASELINE
from harness.pipelines import check
from harness.pipelines.check import Column, Protocol, Snapshot, differences, measure
from harness.proxies import PROXIES

COMMITTED = check.read(BASELINE)
SMALL = Protocol(cells=5, batch_size=4)


#: The smallest eigenvalues: at a batch of 8 the Fisher matrix has rank 72 of 128.
NOISE = {f"{proxy}.decile_{k}" for proxy in ("vkdnw", "vkdnw_exact") for k in (1, 2, 3)}


def with_column(snapshot: Snapshot, name: str, column: Column) -> Snapshot:
    return replace(snapshot, columns={**snapshot.columns, name: column})


def flipped(column: Column) -> Column:
    scores = tuple(None if score is None else -score for score in column.scores)
    return replace(column, tau=-column.tau, scores=scores)


def test_baseline_holds_every_proxy() -> None:
    ours = {n for n in PROXIES if PROXIES[n].function.__module__.startswith("harness.proxies.")}
    assert {name.partition(".")[0] for name in COMMITTED.columns} == ours
    assert COMMITTED.protocol == Protocol()
    assert COMMITTED.protocol.cells >= 64
    assert all(math.isfinite(tau) for tau in COMMITTED.aggregates.values())


def test_equal_to_itself() -> None:
    assert differences(COMMITTED, COMMITTED) == []


@pytest.mark.parametrize("name", [n for n in COMMITTED.columns if COMMITTED.columns[n].tau])
def test_a_sign_flip_in_any_proxy_is_found(name: str) -> None:
    moved = with_column(COMMITTED, name, flipped(COMMITTED.columns[name]))
    if not any(COMMITTED.columns[name].scores):
        pytest.skip("a column of zeros has no sign")
    if name in NOISE:
        pytest.skip("rounding errors have no sign")
    assert any(line.startswith(f"{name}: ") for line in differences(COMMITTED, moved))


@pytest.mark.usefixtures("own_proxies")
def test_a_sign_flip_in_the_code_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    before = measure(SMALL, ["snip"], workers=1)
    assert differences(before, measure(SMALL, ["snip"], workers=1)) == []
    snip = PROXIES["snip"]

    def negated(network: object, batch: Batch) -> float:
        return -float(snip.function(network, batch))  # type: ignore[arg-type]

    monkeypatch.setitem(PROXIES._entries, "snip", replace(snip, function=negated))
    found = differences(before, measure(SMALL, ["snip"], workers=1))
    assert len(found) == 2
    assert "5 of 5 scores are off" in found[0]
    assert "tau fell from" in found[1]


def test_what_counts_as_moved() -> None:
    golden = tuple(float(k) for k in range(1, 101))
    old = Column(1, 0.5, golden)
    base = Snapshot(SMALL, "2.11", {"a": old}, {"b": 0.4})

    def lines(**changes: object) -> list[str]:
        return differences(base, with_column(base, "a", replace(old, **changes)))  # type: ignore[arg-type]

    assert lines(scores=tuple(1.001 * g for g in golden)) == []  # rounding
    few = (*(2 * g for g in golden[:5]), *golden[5:])  # 2 to 10 against a median of 50
    assert lines(scores=few) == []
    assert "6 of 100" in lines(scores=(None, *golden[1:95], *(2 * g for g in golden[95:])))[0]
    assert lines(scores=(None,) * 6 + golden[6:])[0].endswith("for example 1 is now no score")
    assert lines(tau=0.5 - check.TAU_MARGIN / 2) == []
    assert lines(tau=0.9) == []  # better is no failure
    assert "tau fell from 0.500 to 0.470" in lines(tau=0.47)[0]
    assert "there is none now" in lines(tau=math.nan)[0]
    assert "version 1 in the baseline, 2 now" in lines(version=2)[0]
    assert differences(base, replace(base, aggregates={"b": 0.3}))[0].startswith("b: tau fell")
    assert "gives nothing now" in differences(base, replace(base, columns={}))[0]
    assert "not in the baseline" in differences(replace(base, columns={}), base)[0]


def test_rounding_errors_beside_a_large_part_are_no_score() -> None:
    large = Column(1, 0.5, tuple(float(k) for k in range(1, 101)))
    small = Column(1, 0.2, tuple(1e-9 * k for k in range(1, 101)))
    base = Snapshot(SMALL, "2.11", {"a.large": large, "a.small": small}, {})
    other = replace(small, tau=-0.2, scores=small.scores[::-1])
    assert differences(base, with_column(base, "a.small", other)) == []
    grown = replace(small, scores=tuple(1e-3 * k for k in range(1, 101)))
    assert "100 of 100" in differences(base, with_column(base, "a.small", grown))[0]
    alone = Snapshot(SMALL, "2.11", {"b": large, "a.small": small}, {})
    assert len(differences(alone, with_column(alone, "a.small", other))) == 2


def test_another_protocol_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="harness check --update"):
        differences(COMMITTED, replace(COMMITTED, protocol=SMALL))


def test_file_round_trip(tmp_path: Path) -> None:
    column = Column(3, math.nan, (1.0, None, -2.5))
    snapshot = Snapshot(SMALL, "2.11", {"a.b": column}, {"c": 0.25})
    path = tmp_path / "folder" / "baseline.json"
    check.write(snapshot, path)
    again = check.read(path)
    assert again.columns["a.b"].scores == column.scores
    assert math.isnan(again.columns["a.b"].tau)
    assert (again.protocol, again.torch, again.aggregates) == (SMALL, "2.11", {"c": 0.25})


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"protocol": {"x": 1}, "torch": "2", "aggregates": {}, "columns": {}}'],
)
def test_a_damaged_baseline(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"baseline\.json is no baseline"):
        check.read(path)


def test_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no baseline"):
        check.read(tmp_path / "none.json")


@pytest.mark.usefixtures("own_proxies")
def test_a_proxy_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(network: object, batch: Batch) -> float:
        raise RuntimeError("a layer broke")

    monkeypatch.setitem(PROXIES._entries, "snip", replace(PROXIES["snip"], function=broken))
    with pytest.raises(InputError, match=r"snip failed on .*: RuntimeError: a layer broke"):
        measure(SMALL, ["snip"], workers=1)
