"""Ground truth of NAS-Bench-201: compact and embedded tables, and the table that is kept."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.stats import kendalltau

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.nasbench201 import table
from benchmarks.nasbench201.enumeration import official_order
from benchmarks.nasbench201.official import import_official
from benchmarks.nasbench201.space import NASBench201Space
from benchmarks.tables import Table
from benchmarks.truth import resolve
from tests.benchmarks.nasbench201 import official
from tests.benchmarks.readers.hostile import KINDS, bomb

BENCHMARK = BENCHMARKS["nasbench201"]
COLUMNS = {
    "cifar10": "CIFAR10TestAccuracy200Epochs",
    "cifar100": "CIFAR100TestAccuracy200Epochs",
    "ImageNet16-120": "ImageNetTestAccuracy200Epochs",
}
REMEDY = "harness data fetch nats_bench"

# ------------------------------------------------------------------ compact


@pytest.fixture(scope="module")
def compact() -> pd.DataFrame:
    """A table like `nats_bench.csv` with random figures, rows in random order."""
    rng = np.random.RandomState(0)
    archs = [cell.id for cell in official_order()]
    figures = {column: rng.uniform(0, 100, len(archs)) for column in COLUMNS.values()}
    frame = pd.DataFrame({**figures, "ArchitectureString": archs, "UniqueString": "-"})
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def _write(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "nats_bench.csv"
    frame.to_csv(path, index=False)
    return path


def test_compact_values_and_protocol(compact: pd.DataFrame, tmp_path: Path) -> None:
    read = table.read_compact(_write(compact, tmp_path))
    for dataset, column in COLUMNS.items():
        split = NASBench201Space.datasets[dataset].split
        got = read.accuracies(dataset, split, 200)
        expected = compact.set_index("ArchitectureString")[column]
        assert len(got.values) == 15_625
        np.testing.assert_allclose(got.values, expected.loc[got.values.index], rtol=1e-15)
        assert f"{dataset}, {split} accuracy after 200 epochs, mean over trainings" in got.protocol
        assert "nats_bench.csv" in got.source
    assert not read.holds("cifar10", "x-valid", 200)
    assert not read.holds("cifar10", "ori-test", 12)


@pytest.mark.parametrize("column", [*COLUMNS.values(), "ArchitectureString"])
def test_compact_column_missing(compact: pd.DataFrame, column: str, tmp_path: Path) -> None:
    path = _write(compact.drop(columns=column), tmp_path)
    with pytest.raises(InputError, match=column) as caught:
        table.read_compact(path)
    assert str(path) in str(caught.value)
    assert REMEDY in str(caught.value)


def _with(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    values: list[object] = frame[column].tolist()
    values[row] = value
    return frame.assign(**{column: pd.Series(values, index=frame.index, dtype=object)})


@pytest.mark.parametrize("arch", ["resnet18", "", official_order()[0].id[:-1]])
def test_compact_unknown_cell(compact: pd.DataFrame, arch: str, tmp_path: Path) -> None:
    path = _write(_with(compact, 41, "ArchitectureString", arch), tmp_path)
    with pytest.raises(InputError, match=r"data row 42: .*\(1 such rows\)") as caught:
        table.read_compact(path)
    for part in (str(path), arch, REMEDY):
        assert part in str(caught.value)


def test_compact_cell_missing(compact: pd.DataFrame, tmp_path: Path) -> None:
    absent = compact["ArchitectureString"][[7, 70]]
    path = _write(compact.drop(index=[7, 70]), tmp_path)
    with pytest.raises(InputError, match=r"2 of 15625 cells are missing") as caught:
        table.read_compact(path)
    assert any(arch in str(caught.value) for arch in absent)
    assert str(path) in str(caught.value)
    assert REMEDY in str(caught.value)


@pytest.mark.parametrize("instead_of_another", [True, False])
def test_compact_cell_twice(
    compact: pd.DataFrame, instead_of_another: bool, tmp_path: Path
) -> None:
    first = str(compact["ArchitectureString"][0])
    frame = (
        _with(compact, 99, "ArchitectureString", first)
        if instead_of_another
        else pd.concat([compact, compact.iloc[:1]])
    )
    path = _write(frame, tmp_path)
    with pytest.raises(InputError, match="stands twice") as caught:
        table.read_compact(path)
    for part in (str(path), first, REMEDY):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("value", "shown"), [(100.5, "100.5"), (-1.0, "-1.0"), (None, "nan"), ("abc", "abc")]
)
def test_compact_accuracy_is_no_percentage(
    compact: pd.DataFrame, value: object, shown: str, tmp_path: Path
) -> None:
    path = _write(_with(compact, 5, COLUMNS["cifar100"], value), tmp_path)
    with pytest.raises(InputError, match=shown) as caught:
        table.read_compact(path)
    assert str(path) in str(caught.value)
    assert "fetch" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00", b"a,b\n1,2,3\n", b"PAR1\x00"])
def test_compact_is_another_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "nats_bench.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        table.read_compact(path)
    assert str(path) in str(caught.value)
    assert REMEDY in str(caught.value)


def test_the_best_cell(real_data: Path) -> None:
    best = official_order()[13714].id
    for dataset, stated in {"cifar10": 94.37, "cifar100": 73.09, "ImageNet16-120": 46.33}.items():
        truth = resolve(BENCHMARK, "auto", dataset)
        assert "nats_bench.csv" in truth.source
        assert truth.values[best] == pytest.approx(stated, abs=0.005)
    assert resolve(BENCHMARK, "auto", "cifar10").values.idxmax() == best


def test_compact_and_official_agree(real_data: Path) -> None:
    imported = import_official(real_data / "NATS-tss-v1_0-3ffb9-simple")
    compact = table.read_compact(real_data / "nats_bench.csv")
    for dataset in COLUMNS:
        split = NASBench201Space.datasets[dataset].split
        means = imported.accuracies(dataset, split, 200).values
        assert len(means) == 3
        stated = compact.accuracies(dataset, split, 200).values
        np.testing.assert_allclose(means, stated.loc[list(means.index)], atol=1e-6)


# ------------------------------------------------------------------ embedded


def _analog_file() -> Path:
    path = next(truth for truth in BENCHMARK.truths if truth.name == "analog").find()
    assert path is not None, "analog-nasbench is a dependency"
    return path


@pytest.fixture(scope="module")
def analog() -> Table:
    return table.read_analog(_analog_file())


def test_analog_holds_every_cell_once(analog: Table) -> None:
    truth = analog.accuracies("cifar10", "ori-test", 200)
    assert set(truth.values.index) == {cell.id for cell in official_order()}
    assert "one training" in truth.protocol
    assert "independent" in truth.source
    assert len(analog.frame) == 15_625


def test_analog_ranks_as_the_benchmark_does(real_data: Path, analog: Table) -> None:
    compact = table.read_compact(real_data / "nats_bench.csv")
    reachable = [cell.id for cell in NASBench201Space().architectures("reachable")]
    one, two = (
        t.accuracies("cifar10", "ori-test", 200).values[reachable] for t in (analog, compact)
    )
    assert kendalltau(one, two).statistic == pytest.approx(0.921, abs=0.002)
    assert analog.trainings != compact.trainings


@pytest.mark.parametrize("fraction", [0, 0.001, 0.5, 0.999])
def test_analog_truncated(fraction: float, tmp_path: Path) -> None:
    raw = _analog_file().read_bytes()
    path = tmp_path / "data.anb"
    path.write_bytes(raw[: int(len(raw) * fraction)])
    with pytest.raises(InputError, match=r"data\.anb is damaged"):
        table.read_analog(path)


@pytest.mark.parametrize("kind", KINDS)
def test_analog_hostile(kind: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "data.anb"
    path.write_bytes(pickle.dumps({(0,) * 6: bomb(kind, marker)}))
    with pytest.raises(InputError, match=r"data\.anb: it asks to load .*may be hostile"):
        table.read_analog(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [5, [], "text", {5: 1}, {(0,) * 5: 1}, {(0,) * 6: 1}, {(0, 0, 0, 0, 0, 9): 1}, {}],
    ids=repr,
)
def test_analog_holds_something_else(content: object, tmp_path: Path) -> None:
    path = tmp_path / "data.anb"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"data\.anb.*reinstall"):
        table.read_analog(path)


def test_analog_file_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*data\.anb.*reinstall"):
        table.read_analog(tmp_path / "data.anb")


# ------------------------------------------------------------------ the table that is kept


def _imported(tmp_path: Path) -> Table:
    cells = official.synthetic_cells()
    return import_official(official.write_simple(cells, tmp_path / "simple"))


def _complete() -> Table:
    """All cells on CIFAR-10, accuracy 50."""
    frame = pd.DataFrame({"arch": [cell.id for cell in official_order()]})
    frame = frame.assign(dataset="cifar10", epochs=200, split="ori-test", seed="777", accuracy=50.0)
    return Table("nasbench201", "made up", "nobody", frame)


def test_kept_table_reads_back(tmp_path: Path) -> None:
    imported = _imported(tmp_path)
    read = table.IMPORTED.read(table.IMPORTED.keep(imported))
    pd.testing.assert_frame_equal(read.frame, imported.frame, check_categorical=False)
    assert dataclasses.replace(read, frame=imported.frame) == imported


def test_kept_where_it_is_found(tmp_path: Path, cache: Path) -> None:
    find = {truth.name: truth.find for truth in BENCHMARK.truths}
    assert find["official"]() is None
    assert find["official-partial"]() is None
    part = table.IMPORTED.keep(_imported(tmp_path))
    assert part == cache / "nasbench201-official-partial.parquet"
    assert (find["official"](), find["official-partial"]()) == (None, part)
    whole = table.IMPORTED.keep(_complete())
    assert whole == cache / "nasbench201-official.parquet"
    assert (find["official"](), find["official-partial"]()) == (whole, part)


def test_kept_at_a_path(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "new folder" / "mine.parquet"
    assert table.IMPORTED.keep(_complete(), path) == path
    assert len(table.IMPORTED.read(path).frame) == 15_625
    assert list(cache.iterdir()) == []


def test_failing_import_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    folder = official.write_simple(official.synthetic_cells(), tmp_path / "simple")
    (folder / "000284.pickle.pbz2").write_bytes(b"BZh9")
    with pytest.raises(InputError, match=r"000284\.pickle\.pbz2"):
        table.IMPORTED.keep(import_official(folder))
    assert list(cache.iterdir()) == []


def test_failing_write_leaves_the_old_table(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table.IMPORTED.keep(_complete())
    before = path.read_bytes()

    def fill_the_disk(_: object, where: Path, **__: object) -> None:
        Path(where).write_bytes(b"PAR1")
        raise OSError("no space left on device")

    monkeypatch.setattr(pq, "write_table", fill_the_disk)
    with pytest.raises(OSError, match="no space"):
        table.IMPORTED.keep(_complete())
    assert list(cache.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize("fraction", [0, 0.01, 0.5, 0.99])
def test_damaged_parquet(fraction: float, tmp_path: Path) -> None:
    path = table.IMPORTED.keep(_imported(tmp_path), tmp_path / "table.parquet")
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * fraction)])
    with pytest.raises(InputError, match=r"table\.parquet.*import it again"):
        table.IMPORTED.read(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.drop(columns="seed"),
        lambda frame: frame.assign(accuracy=frame["accuracy"] + 60),
        lambda frame: frame.assign(accuracy="high"),
        lambda frame: pd.concat([frame, frame.iloc[:1]]),
    ],
    ids=["column missing", "above 100", "text", "row twice"],
)
def test_parquet_with_other_content(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    change(_complete().frame).to_parquet(path)
    with pytest.raises(InputError, match=r"table\.parquet.*import it again"):
        table.IMPORTED.read(path)


# ------------------------------------------------------------------ which source is taken


def test_sources_on_this_machine_from_the_best(
    compact: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(dataset: str, name: str = "auto") -> str:
        return resolve(BENCHMARK, name, dataset).source

    assert "analog-nasbench" in source("cifar10")
    folder = tmp_path / "data"
    folder.mkdir()
    _write(compact, folder)
    monkeypatch.setenv("HARNESS_DATA", str(folder))
    assert "nats_bench.csv" in source("cifar10")
    table.IMPORTED.keep(_imported(tmp_path))
    assert "nats_bench.csv" in source("cifar10")  # a part of the benchmark only when named
    assert "3 of 15625 cells" in source("cifar10", "official-partial")
    table.IMPORTED.keep(_complete())
    assert source("cifar10") == "made up"
    assert "nats_bench.csv" in source("cifar100")  # which the better one lacks
    assert "analog-nasbench" in source("cifar10", "analog")


def test_dataset_without_truth_lists_the_remedies() -> None:
    with pytest.raises(InputError) as caught:
        resolve(BENCHMARK, "auto", "cifar100")
    message = str(caught.value)
    assert "no ground truth for nasbench201 cifar100, x-test, 200 epochs" in message
    for part in (REMEDY, "harness data import nasbench201", "pip install analog-nasbench"):
        assert part in message
