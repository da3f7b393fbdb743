"""Ground truth of NAS-Bench-101: official records, the table that is kept, JSON files."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.nasbench101 import enumeration, table
from benchmarks.nasbench101.architecture import SUITE_ZERO_OPS
from benchmarks.nasbench101.official import import_official
from benchmarks.tables import COLUMNS, MEAN_OF_SEEDS, Table, WideTable
from benchmarks.truth import resolve
from tests.benchmarks.nasbench101.records import (
    CELLS,
    enumerated,
    field,
    trainings,
)
from tests.benchmarks.readers import tfrecords

BENCHMARK = BENCHMARKS["nasbench101"]
AGAIN = "download it again"


@pytest.fixture
def small_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """The space has the cells `CELLS` alone."""
    small = enumerated(CELLS)
    monkeypatch.setattr(enumeration, "enumeration", lambda: small)


def _file(folder: Path, payloads: list[bytes]) -> Path:
    return tfrecords.write(payloads, folder / "nasbench_full.tfrecord")


def _imported(folder: Path) -> WideTable:
    return import_official(_file(folder, [each.record() for each in trainings()]))


# ------------------------------------------------------------------ official files


def _expected() -> pd.DataFrame:
    """What an importer must find, in long form."""
    rows, trials = [], dict[tuple[str, int], int]()
    for each in trainings():
        key = each.cell.id, each.epochs
        seed = trials[key] = trials.get(key, -1) + 1
        for evaluation, half in zip(each.evaluations[1:], ("-half", ""), strict=True):
            for split in ("train", "valid", "test"):
                accuracy = 100 * getattr(evaluation, split)
                rows.append((key[0], "cifar10", key[1], f"{split}{half}", str(seed), accuracy))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_import_finds_every_accuracy(tmp_path: Path) -> None:
    imported = _imported(tmp_path)
    expected = Table("nasbench101", imported.source, imported.trainings, _expected())
    assert imported.size() == expected.size() == (5, 5 * 2 * 3 * 6)
    assert set(imported.kinds().itertuples(index=False, name=None)) == set(
        expected.kinds().itertuples(index=False, name=None)
    )
    for epochs in (4, 108):
        for split in ("train", "valid", "test", "train-half", "valid-half", "test-half"):
            ours = imported.accuracies("cifar10", split, epochs)
            theirs = expected.accuracies("cifar10", split, epochs)
            pd.testing.assert_series_equal(ours.values, theirs.values, check_names=False)
            assert ours.lowest is not None
            assert theirs.lowest is not None
            pd.testing.assert_series_equal(ours.lowest, theirs.lowest, check_names=False)
            assert ours.protocol == theirs.protocol
            assert "mean over 3 trainings" in ours.protocol
    assert imported.source == "nasbench_full.tfrecord (official, 5 of 423,624 cells)"


def test_import_keeps_sizes_and_times(tmp_path: Path) -> None:
    frame = _imported(tmp_path).read(["trainable_parameters", "seconds/108/2"]).to_pandas()
    assert (frame["trainable_parameters"] == 8_555_530).all()
    assert (frame["seconds/108/2"] == 100.0).all()


def test_cells_with_fewer_trainings(tmp_path: Path) -> None:
    kept = [t for t in trainings() if t.cell != CELLS[0] or t.epochs != 108]
    one = next(t for t in trainings() if t.cell == CELLS[0] and t.epochs == 108)
    path = _file(tmp_path, [each.record() for each in [*kept, one]])
    found = import_official(path).accuracies("cifar10", "test", 108)
    assert "mean over 1 to 3 trainings" in found.protocol
    assert found.values[CELLS[0].id] == pytest.approx(100 * one.evaluations[2].test)
    path = _file(tmp_path, [each.record() for each in kept])
    imported = import_official(path)
    assert CELLS[0].id not in imported.accuracies("cifar10", "test", 108).values
    assert CELLS[0].id in imported.accuracies("cifar10", "test", 4).values


def test_isomorphic_graphs_are_one_cell(tmp_path: Path) -> None:
    first, second, third = (t for t in trainings((CELLS[3],), (108,)))
    swapped = second.record(ops="input,conv3x3-bn-relu,conv1x1-bn-relu,output")
    path = _file(tmp_path, [first.record(), swapped, third.record()])
    assert import_official(path).size() == (1, 18)


GOOD = trainings((CELLS[3],), (108,), trials=1)[0]


def _with(place: int, **changes: float) -> str:
    """Metrics of which one evaluation has other figures."""
    evaluations = list(GOOD.evaluations)
    evaluations[place] = dataclasses.replace(evaluations[place], **changes)
    return _encoded(dataclasses.replace(GOOD, evaluations=evaluations).message())


def _encoded(message: bytes) -> str:
    return base64.b64encode(message).decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hash": CELLS[1].id}, f"wrong hash: {CELLS[1].id} is stated, but .* has {CELLS[3].id}"),
        ({"hash": "xyz"}, "'xyz' is no module hash"),
        ({"hash": CELLS[3].id.upper()}, "is no module hash"),
        ({"hash": 5}, "5 is no module hash"),
        ({"epochs": 7}, "7 epochs of"),
        ({"epochs": True}, "True epochs of"),
        ({"epochs": "108"}, "'108' epochs of"),
        ({"epochs": [108]}, r"\[108\] epochs of"),
        ({"adjacency": "0110000100010"}, "has 13 entries, not V x V"),
        ({"adjacency": "01" * 50_000}, "has 100000 entries, not V x V"),
        ({"adjacency": "0110000100012000"}, "no text of 0 and 1"),
        ({"adjacency": ""}, "no text of 0 and 1"),
        ({"adjacency": [0, 1]}, "no text of 0 and 1"),
        ({"adjacency": "0110000100011000"}, "an edge from vertex 3 to 0, which makes it cyclic"),
        ({"adjacency": "0110000000000000"}, "no path leads from input to output"),
        ({"ops": "input,conv1x1-bn-relu,conv7x7-bn-relu,output"}, "'conv7x7-bn-relu'"),
        ({"ops": "input,conv1x1-bn-relu,output"}, "no 4 operations"),
        ({"ops": "input," + "x" * 10_000 + ",a,output"}, "no 4 operations"),
        ({"ops": None}, "no 4 operations"),
        ({"metrics": "%%%"}, "metrics of .*, 108 epochs: "),
        ({"metrics": None}, "metrics of "),
        ({"metrics": ""}, "-1 trainable parameters"),
        ({"metrics": _encoded(GOOD.message()[:-1])}, "metrics of .*field 3 has 7 of 8 bytes"),
        ({"metrics": _encoded(b"\x0a" + b"\xff" * 9 + b"\x01")}, "metrics of "),
        ({"metrics": _encoded(GOOD.message() + field(2, 0))},
         "0 trainable parameters"),
        ({"metrics": _encoded(GOOD.message() + field(1, b""))}, "4 evaluations"),
        ({"metrics": _encoded(field(1, b"") * 3 + field(2, 5))}, "no halfway train accuracy"),
        ({"metrics": _with(1, valid=1.5)}, "halfway validation accuracy 1.5 is not in 0..1"),
        ({"metrics": _with(2, test=-0.25)}, "final test accuracy -0.25 is not in 0..1"),
        ({"metrics": _with(2, train=math.nan)}, "final train accuracy nan is not in 0..1"),
        ({"metrics": _with(2, test=math.inf)}, "final test accuracy inf is not in 0..1"),
        ({"metrics": _with(2, seconds=-1.0)}, "final training time -1.0 is not a time"),
    ],
)  # fmt: skip
def test_bad_record(changes: Mapping[str, Any], words: str, tmp_path: Path, cache: Path) -> None:
    good = [each.record() for each in trainings((CELLS[0],))]
    path = _file(tmp_path, [*good, GOOD.record(**changes)])
    with pytest.raises(InputError, match=words) as caught:
        table.IMPORTED.keep(import_official(path))
    message = str(caught.value)
    assert message.startswith(f"{path}, record {len(good) + 1}: ")
    assert message.endswith(AGAIN)
    assert len(message) < 1000
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{}", b"5", b"null", b'["a"]', b'"abcde"', b"\xff\xfe", b"[" * 100_000],
    ids=lambda payload: str(payload[:8]),
)
def test_other_payload(payload: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"full\.tfrecord, record 1: "):
        import_official(_file(tmp_path, [payload]))


def test_a_damaged_file_is_not_kept_in_part(tmp_path: Path) -> None:
    path = _file(tmp_path, [each.record() for each in trainings()])
    raw = path.read_bytes()
    path.write_bytes(raw[:-1])
    with pytest.raises(InputError, match="record 30: truncated"):
        import_official(path)
    path.write_bytes(raw[:-10] + b"x" + raw[-9:])
    with pytest.raises(InputError, match="record 30: wrong checksum"):
        import_official(path)


def test_a_fourth_training(tmp_path: Path) -> None:
    path = _file(tmp_path, [GOOD.record()] * 4)
    with pytest.raises(InputError, match=r"record 4: .* more than 3 trainings of 108 epochs"):
        import_official(path)


def test_two_sizes_of_a_cell(tmp_path: Path) -> None:
    other = dataclasses.replace(GOOD, params=7)
    path = _file(tmp_path, [GOOD.record(), other.record()])
    with pytest.raises(InputError, match=r"record 2: .* 7 trainable parameters, and 8"):
        import_official(path)


def test_file_without_records(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no record"):
        import_official(_file(tmp_path, []))
    with pytest.raises(InputError, match=r"cannot read .*none\.tfrecord"):
        import_official(tmp_path / "none.tfrecord")


def test_unknown_fields_are_passed_over(tmp_path: Path) -> None:
    extended = _encoded(field(9, b"new") + GOOD.message() + field(10, 2.5) + field(11, 7))
    found = import_official(_file(tmp_path, [GOOD.record(metrics=extended)]))
    expected = 100 * GOOD.evaluations[2].test
    assert found.accuracies("cifar10", "test", 108).values[GOOD.cell.id] == expected


# ------------------------------------------------------------------ the table that is kept


def test_kept_table_reads_back(tmp_path: Path) -> None:
    imported = _imported(tmp_path)
    read = table.IMPORTED.read(table.IMPORTED.keep(imported))
    assert read.read(read.columns).equals(imported.read(imported.columns).replace_schema_metadata())
    assert (read.archs, read.source) == (imported.archs, imported.source)
    for split in ("test", "train-half"):
        ours, theirs = (each.accuracies("cifar10", split, 4) for each in (read, imported))
        pd.testing.assert_series_equal(ours.values, theirs.values)


def test_kept_where_it_is_found(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = {truth.name: truth.find for truth in BENCHMARK.truths}
    part = table.IMPORTED.keep(_imported(tmp_path))
    assert part == cache / "nasbench101-official-partial.parquet"
    assert (find["official"](), find["official-partial"]()) == (None, part)
    monkeypatch.setattr(enumeration, "SIZE", len(CELLS))
    whole = table.IMPORTED.keep(_imported(tmp_path))
    assert whole == cache / "nasbench101-official.parquet"
    assert find["official"]() == whole
    lacking = [t.record() for t in trainings()[:-1]]
    assert table.IMPORTED.keep(import_official(_file(tmp_path, lacking))) == part
    path = tmp_path / "new folder" / "mine.parquet"
    assert table.IMPORTED.keep(_imported(tmp_path), path) == path


@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 0.99])
def test_damaged_parquet(fraction: float, tmp_path: Path) -> None:
    path = table.IMPORTED.keep(_imported(tmp_path), tmp_path / "table.parquet")
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * fraction)])
    with pytest.raises(InputError, match=r"table\.parquet.*import it again"):
        table.IMPORTED.read(path)


@pytest.mark.parametrize(
    "columns",
    [
        {"cell": ["a"], "cifar10/108/test/0": [90.0]},
        {"arch": ["a"], "test": [90.0]},
        {"arch": ["a"], "cifar10/108/test/0": ["90"]},
        {"arch": ["a"], "cifar10/108/test/0": [100.5]},
        {"arch": ["a", "a"], "cifar10/108/test/0": [90.0, 90.0]},
    ],
    ids=["no arch", "no accuracy", "text", "above 100", "twice"],
)
def test_parquet_with_other_content(columns: dict[str, list[Any]], tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(InputError, match=r"table\.parquet.*import it again"):
        table.IMPORTED.read(path).accuracies("cifar10", "test", 108)


# ------------------------------------------------------------------ JSON files

SAMPLE: dict[str, list[Any]] = {
    "key": [cell.id for cell in CELLS],
    "4_final_validation_accuracy": [0.1, 0.2, 0.3, 0.4, 0.5],
    "108_final_validation_accuracy": [0.9, 0.125, 0.94, 0.92, 0.5],
    "trainable_parameters": [1, 2, 3, 4, 5],
}


def _json(content: object, folder: Path, name: str = "data-20k.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.usefixtures("small_space")
def test_sample(tmp_path: Path) -> None:
    read = table.read_json(_json(SAMPLE, tmp_path))
    found = read.accuracies("cifar10", "valid", 108)
    assert dict(found.values) == dict(zip(SAMPLE["key"], [90, 12.5, 94, 92, 50], strict=True))
    assert "valid accuracy after 108 epochs, one training; source: data-20k.json" in found.protocol
    assert found.diverged(15) == {CELLS[1].id}
    assert read.holds("cifar10", "valid", 4)
    assert not read.holds("cifar10", "test", 108)


def _metrics(**figures: float) -> dict[str, float]:
    return {"final_training_time": 99.0, **figures}


API = {
    CELLS[0].id: {
        "108": [
            _metrics(final_test_accuracy=0.9, final_validation_accuracy=0.91),
            _metrics(final_test_accuracy=0.1, final_validation_accuracy=0.11),
        ]
    },
    CELLS[1].id: {"108": [_metrics(final_test_accuracy=0.75, halfway_train_accuracy=1.0)]},
}


@pytest.mark.usefixtures("small_space")
@pytest.mark.parametrize(
    "form",
    [
        lambda api: api,
        lambda api: {"fixed_statistics": {}, "computed_statistics": api},
        lambda api: {arch: [{"module_hash": arch}, entry] for arch, entry in api.items()},
    ],
    ids=["computed", "both", "pairs"],
)
def test_dump_of_the_official_api(form: Callable[[Any], Any], tmp_path: Path) -> None:
    path = _json(form(API), tmp_path, "mine.json")
    found = resolve(BENCHMARK, str(path), "cifar10")
    assert dict(found.values) == {CELLS[0].id: 50.0, CELLS[1].id: 75.0}
    assert "test accuracy after 108 epochs, mean over 1 to 2 trainings" in found.protocol
    assert found.diverged(15) == {CELLS[0].id}  # one of its trainings did
    half = resolve(BENCHMARK, str(path), "cifar10", "train-half")
    assert dict(half.values) == {CELLS[1].id: 100.0}


def _codes(place: int) -> str:
    cell = CELLS[place]
    entries = [entry for row in cell.matrix for entry in row]
    return str((*entries, *map(SUITE_ZERO_OPS.index, cell.ops)))


@pytest.mark.usefixtures("small_space")
@pytest.mark.parametrize("nested", [True, False])
def test_suite_zero(nested: bool, tmp_path: Path) -> None:
    entries = {
        _codes(3): {"val_accuracy": 93.5, "nwot": {"score": 5.0, "time": 0.1}},
        _codes(2): {"val_accuracy": 10.25, "id": 3},
        _codes(1): {"nwot": {"score": 5.0}},
    }
    content = {"cifar10": entries} if nested else entries
    found = resolve(BENCHMARK, str(_json(content, tmp_path, "zc_nasbench101.json")), "cifar10")
    assert dict(found.values) == {CELLS[3].id: 93.5, CELLS[2].id: 10.25}
    assert "valid accuracy after 108 epochs, one training" in found.protocol
    assert "zc_nasbench101.json (NAS-Bench-Suite-Zero, 2 of 423,624 cells)" in found.protocol


NO_CELL = "0" * 32


@pytest.mark.usefixtures("small_space")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"key": [], "key": []}', "'key' stands twice"),
        ([], "neither the public sample"),
        ({}, "neither the public sample"),
        ({"cifar100": {}}, "neither the public sample"),
        ({"resnet18": {"val_accuracy": 5}}, "neither the public sample"),
        ({"cifar10": {}}, "neither the public sample"),
        ({"cifar10": 5}, "neither the public sample"),
        ({"key": []}, "no column 4_final_validation_accuracy or"),
        ({"key": [], "108_final_validation_accuracy": []}, "it holds no accuracy"),
        (SAMPLE | {"key": "text"}, "column key is no list"),
        (SAMPLE | {"key": None}, "column key is no list"),
        (SAMPLE | {"4_final_validation_accuracy": [0.5]}, "column 4_final_validation_accuracy is"),
        (SAMPLE | {"key": [NO_CELL, *SAMPLE["key"][1:]]}, f"{NO_CELL}' is the module hash of no"),
        (SAMPLE | {"key": [5, *SAMPLE["key"][1:]]}, "'5' is the module hash of no"),
        (SAMPLE | {"key": ["x" * 9000, *SAMPLE["key"][1:]]}, "x' is the module hash of no"),
        (SAMPLE | {"key": [[], *SAMPLE["key"][1:]]}, "is the module hash of no"),
        (SAMPLE | {"key": [SAMPLE["key"][1], *SAMPLE["key"][1:]]}, "stands twice"),
        (SAMPLE | {"108_final_validation_accuracy": [1.5] * 5}, r"accuracy 1.5 is not in 0\.\.1"),
        (SAMPLE | {"108_final_validation_accuracy": [None] * 5}, "accuracy None is not in"),
        (SAMPLE | {"108_final_validation_accuracy": [math.nan] * 5}, "accuracy nan is not in"),
        (SAMPLE | {"108_final_validation_accuracy": [True] * 5}, "accuracy True is not in"),
        ({NO_CELL: API[CELLS[0].id]}, f"{NO_CELL}' is the module hash of no"),
        ({CELLS[0].id: 5}, "is no object of epochs"),
        ({CELLS[0].id: {"200": []}}, "'200': expected a list at one of"),
        ({CELLS[0].id: {"108": {}}}, "'108': expected a list at one of"),
        ({CELLS[0].id: {"108": [5]}}, "no final_test_accuracy or the like"),
        ({CELLS[0].id: {"108": [{"final_test_accuracy": 93.0}]}}, "accuracy 93.0 is not in"),
        ({_codes(1): 5}, "is no object"),
        ({_codes(1): {"val_accuracy": -1}}, r"accuracy -1 is not in 0\.\.100"),
        ({_codes(1): {"nwot": 5}}, "it holds no accuracy"),
        ({"(0, 1)": {"val_accuracy": 5}}, "is no NAS-Bench-101 cell"),
    ],
)  # fmt: skip
def test_bad_json(content: object, words: str, tmp_path: Path) -> None:
    path = _json(content, tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        table.read_json(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "again" in message or "remove" in message
    assert len(message) < 1000


# ------------------------------------------------------------------ which source is taken


def test_without_data_one_line_says_what_to_run() -> None:
    with pytest.raises(InputError, match="harness data fetch nasbench101") as caught:
        resolve(BENCHMARK, "auto", "cifar10")
    message = str(caught.value)
    assert "no ground truth for nasbench101 cifar10, test, 108 epochs on this machine" in message
    assert "\n" not in message


@pytest.mark.usefixtures("small_space")
def test_sources_from_the_best(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _json(SAMPLE, cache)  # where fetch puts it
    assert "valid accuracy after 108 epochs" in resolve(BENCHMARK, "auto", "cifar10").protocol
    folder = tmp_path / "data" / "nasbench101"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HARNESS_DATA", str(folder.parent))
    _json(SAMPLE, folder)
    assert BENCHMARK.truths[1].find() == folder / "data-20k.json"
    table.IMPORTED.keep(_imported(tmp_path))
    assert "data-20k.json" in resolve(BENCHMARK, "auto", "cifar10").source
    assert "5 of 423,624" in resolve(BENCHMARK, "official-partial", "cifar10").source
    monkeypatch.setattr(enumeration, "SIZE", len(CELLS))
    table.IMPORTED.keep(_imported(tmp_path))
    protocol = resolve(BENCHMARK, "auto", "cifar10").protocol
    assert "test accuracy after 108 epochs, mean over 3 trainings" in protocol
    assert "valid accuracy after 4" in resolve(BENCHMARK, "auto", "cifar10", "valid", 4).protocol
    with pytest.raises(InputError, match="has no test accuracy of cifar10 after 108"):
        resolve(BENCHMARK, "compact", "cifar10", "test")


# ------------------------------------------------------------------ real data


def test_the_public_sample(real_data: Path, nasbench101_cells: object) -> None:
    found = resolve(BENCHMARK, "auto", "cifar10")
    raw = json.loads((real_data / "nasbench101" / "data-20k.json").read_text())
    stated = pd.Series(raw["108_final_validation_accuracy"], index=raw["key"])
    assert len(found.values) == 20_001
    np.testing.assert_allclose(found.values, 100 * stated.sort_index(), rtol=1e-12)
    assert len(found.diverged(15)) == 24
    assert MEAN_OF_SEEDS not in found.protocol
