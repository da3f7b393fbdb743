from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import InputError
from harness.scores.store import Key, Record, Store, status_of

KEY = Key("nasbench201", "cifar10", "a", "nwot", 1, 0, 64, "gaussian", "kaiming")
RECORDS = [
    Record(
        KEY,
        0.1 + 0.2,
        components={"entropy": 1 / 3, "layers": 21.0},
        seconds=0.25,
        device="cpu",
        versions="torch 2",
    ),
    Record(replace(KEY, arch="b"), None, status="error", message="ValueError: 'ℵ'\nsecond line"),
    Record(replace(KEY, arch="c"), None, status="-inf"),
    Record(replace(KEY, arch="d"), None, components={"part": -1e300}),
]


def by_arch(store: Store) -> dict[str, Record]:
    return {record.key.arch: record for record in store.records()}


def test_records_survive(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "scores.sqlite"
    with Store(path) as store:
        store.add(RECORDS)
        store.add([])
    with Store(path) as store:
        found = by_arch(store)
    assert found == {record.key.arch: record for record in RECORDS}
    assert [found[arch].ok for arch in "abcd"] == [True, False, False, True]


def test_a_key_is_written_once(store: Store) -> None:
    store.add([Record(KEY, 1.0)])
    store.add([Record(KEY, 2.0), Record(replace(KEY, seed=1), 3.0)])
    assert sorted((r.key.seed, r.value) for r in store.records()) == [(0, 1.0), (1, 3.0)]


def test_replacing(store: Store) -> None:
    store.add([Record(KEY, None, status="error", message="no"), Record(replace(KEY, seed=1), 3.0)])
    store.add([Record(KEY, 2.0)], replace=True)
    found = {record.key.seed: record for record in store.records()}
    assert found == {0: Record(KEY, 2.0), 1: Record(replace(KEY, seed=1), 3.0)}


@pytest.mark.parametrize(
    "change",
    [
        {"benchmark": "x"}, {"dataset": "x"}, {"arch": "x"}, {"proxy": "x"}, {"version": 2},
        {"seed": 9}, {"batch_size": 9}, {"input": "x"}, {"init": "x"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_part_of_the_key_counts(store: Store, change: dict[str, str | int]) -> None:
    other = replace(KEY, **change)  # type: ignore[arg-type]
    store.add([Record(KEY, 1.0), Record(other, 2.0)])
    assert [r.value for r in store.records(**change)] == [2.0]
    assert len(list(store.records())) == 2


def test_filter(store: Store) -> None:
    archs = "abcd"
    store.add(Record(replace(KEY, arch=a, seed=s), float(s)) for a in archs for s in (0, 1))
    found = {(r.key.arch, r.key.seed) for r in store.records(arch=["a", "c", "z"], seed=1)}
    assert found == {("a", 1), ("c", 1)}
    assert list(store.records(arch=[])) == []
    assert list(store.records(proxy="synflow")) == []
    with pytest.raises(ValueError, match="no key column 'value'"):
        list(store.records(value=1))


def test_statuses(store: Store) -> None:
    store.add([*RECORDS, Record(replace(KEY, arch="e", seed=1), 1.0)])
    expected = {"a": "ok", "b": "error", "c": "-inf", "d": "ok"}
    assert store.statuses(seed=0, proxy="nwot") == expected
    assert store.statuses(proxy="synflow") == {}


def test_a_failing_write_leaves_nothing(store: Store) -> None:
    broken = Record(replace(KEY, arch="b"), 1.0, components={"part": object()})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        store.add([Record(KEY, 1.0), broken])
    unbindable = Record(replace(KEY, arch="b"), 1.0, message=object())  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error):
        store.add([Record(KEY, 1.0), unbindable])
    assert list(store.records()) == []
    store.add([Record(KEY, 1.0)])  # and no transaction stays open
    assert len(list(store.records())) == 1


def test_status() -> None:
    values = [0.0, -1e308, math.inf, -math.inf, math.nan]
    assert [status_of(value) for value in values] == ["ok", "ok", "inf", "-inf", "nan"]


# ------------------------------------------------------------------ what is no store


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        Store(path)
    assert str(path) in str(caught.value)
    assert "--store" in str(caught.value)
    return str(caught.value)


def test_refuses_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    text = "arch,score\n" * 1000
    path.write_text(text)
    assert "not a database" in refusal(path)
    assert path.read_text() == text


def test_refuses_a_folder(tmp_path: Path) -> None:
    assert "unable to open" in refusal(tmp_path)


def test_refuses_a_path_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refusal(tmp_path / "file" / "scores.sqlite")
    refusal(tmp_path / "file" / "folder" / "scores.sqlite")


def test_refuses_a_newer_format(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    with Store(path) as store:
        store.add(RECORDS)
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()
    assert "version 99, not 1" in refusal(path)
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM scores").fetchone() == (len(RECORDS),)
    assert database.execute("PRAGMA user_version").fetchone() == (99,)
    database.close()


# ------------------------------------------------------------------ several processes

WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from harness.scores.store import Key, Record, Store

path, first, last, block = Path(sys.argv[1]), *map(int, sys.argv[2:])
key = Key("nasbench201", "cifar10", "", "nwot", 1, 0, 64, "gaussian", "kaiming")
sys.stdin.readline()
with Store(path) as store:
    for i in range(first, last):
        store.add(
            Record(replace(key, arch=str(i), seed=s), i + s / 8, components={"i": float(i)})
            for s in range(block)
        )
        print(i, flush=True)
"""


def writer(path: Path, first: int, last: int, block: int) -> subprocess.Popen[str]:
    """A process that waits for a line, then writes a block of records for each number."""
    arguments: Sequence[str] = [str(path), str(first), str(last), str(block)]
    command = [sys.executable, "-c", WRITER, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def assert_intact(path: Path, block: int) -> list[int]:
    """The file is sound and its blocks whole; returns their numbers."""
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = database.execute("SELECT arch, seed, value, components FROM scores").fetchall()
    database.close()
    found: dict[int, list[int]] = {}
    for arch, seed, value, components in rows:
        assert value == int(arch) + seed / 8
        assert json.loads(components) == {"i": int(arch)}
        found.setdefault(int(arch), []).append(seed)
    assert all(sorted(seeds) == list(range(block)) for seeds in found.values())
    return sorted(found)


def test_processes_write_the_same_keys_at_once(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    processes = [writer(path, 0, 200, 2), writer(path, 100, 300, 2)]
    for process in processes:
        start(process)
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert assert_intact(path, 2) == list(range(300))


def test_a_killed_writer_leaves_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    with writer(path, 0, 10**9, 5) as process:
        start(process)
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(50)][-1]
        process.kill()  # SIGKILL
        process.wait(timeout=60)
    numbers = assert_intact(path, 5)
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] >= acknowledged
    with Store(path) as store:  # and it can be written on
        store.add(RECORDS)
        assert len(list(store.records())) == 5 * len(numbers) + len(RECORDS)


def test_a_new_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    def open_and_close(path: Path, together: threading.Barrier) -> None:
        together.wait()
        with Store(path):
            pass

    for attempt in range(30):
        together = threading.Barrier(6)
        with ThreadPoolExecutor(6) as pool:
            path = tmp_path / f"{attempt}.sqlite"
            opened = [pool.submit(open_and_close, path, together) for _ in range(6)]
            for each in opened:
                each.result()
