"""The long table of accuracies: its checks, means over seeds, and the choice of a source."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.tables import COLUMNS, Table, WideTable, wide_column
from benchmarks.truth import resolve
from benchmarks.types import Benchmark, TruthSource

# ------------------------------------------------------------------ the table

ROWS = [
    ("a", "cifar10", 200, "ori-test", "777", 90.0),
    ("a", "cifar10", 200, "ori-test", "888", 92.0),
    ("a", "cifar10", 200, "ori-test", "999", 97.0),
    ("b", "cifar10", 200, "ori-test", "777", 80.0),
    ("a", "cifar10", 200, "train", "777", 100.0),
    ("a", "cifar10", 12, "ori-test", "111", 0.0),
    ("b", "cifar100", 200, "x-test", "mean", 70.5),
]


def _table(rows: Sequence[tuple[object, ...]] = ROWS) -> Table:
    return Table("toy", "made up", "nobody", pd.DataFrame(rows, columns=list(COLUMNS)))


def test_a_good_table_is_returned() -> None:
    table = _table()
    assert table.validated("the file") is table


@pytest.mark.parametrize("column", COLUMNS)
def test_missing_column(column: str) -> None:
    table = _table()
    bad = dataclasses.replace(table, frame=table.frame.drop(columns=column))
    with pytest.raises(InputError, match=f"the file: no column {column}; .*again"):
        bad.validated("the file")


@pytest.mark.parametrize("accuracy", [-0.1, 100.1, float("nan"), float("inf"), "high", None])
def test_accuracy_is_no_percentage(accuracy: object) -> None:
    bad = _table([*ROWS, ("c", "cifar10", 200, "x-valid", "777", accuracy)])
    with pytest.raises(InputError, match=r"the file: .*again") as caught:
        bad.validated("the file")
    shown = "nan" if accuracy is None else str(accuracy)
    for part in (shown, "c on cifar10 x-valid", "1 such rows"):
        assert part in str(caught.value)


def test_row_twice() -> None:
    bad = _table([*ROWS, ("a", "cifar10", 200, "ori-test", "888", 91.0)])
    with pytest.raises(InputError, match=r"the file: a stands twice for cifar10 ori-test, 200 "):
        bad.validated("the file")


def test_accuracies_are_means_over_seeds() -> None:
    truth = _table().accuracies("cifar10", "ori-test", 200)
    assert truth.values.to_dict() == {"a": 93.0, "b": 80.0}
    assert (truth.source, truth.trainings) == ("made up", "nobody")


@pytest.mark.parametrize(
    ("dataset", "split", "epochs", "seeds"),
    [
        ("cifar10", "ori-test", 200, "mean over 1 to 3 trainings"),
        ("cifar10", "ori-test", 12, "one training"),
        ("cifar100", "x-test", 200, "mean over trainings"),
    ],
)
def test_protocol_in_words(dataset: str, split: str, epochs: int, seeds: str) -> None:
    expected = f"toy {dataset}, {split} accuracy after {epochs} epochs, {seeds}; source: made up"
    assert _table().accuracies(dataset, split, epochs).protocol == expected


def test_categorical_columns_give_only_architectures_with_figures() -> None:
    frame = _table().frame
    for column in ("arch", "dataset", "split", "seed"):
        frame[column] = frame[column].astype("category")
    table = dataclasses.replace(_table(), frame=frame)
    assert list(table.accuracies("cifar10", "ori-test", 12).values.index) == ["a"]


@pytest.mark.parametrize(
    ("dataset", "split", "epochs", "held"),
    [
        ("cifar10", "ori-test", 200, True),
        ("cifar10", "ori-test", 12, True),
        ("cifar10", "train", 12, False),
        ("cifar100", "ori-test", 200, False),
        ("svhn", "ori-test", 200, False),
    ],
)
def test_holds(dataset: str, split: str, epochs: int, held: bool) -> None:
    assert _table().holds(dataset, split, epochs) is held
    if not held:
        message = f"made up has no {split} accuracy of {dataset} after {epochs} epochs"
        with pytest.raises(InputError, match=message) as caught:
            _table().accuracies(dataset, split, epochs)
        assert "it has: cifar10 ori-test 200 epochs; " in str(caught.value)


# ------------------------------------------------------------------ the choice of a source


def _source(name: str, table: Table | None, *, automatic: bool = True) -> TruthSource:
    def load(path: Path) -> Table:
        assert table is not None
        return dataclasses.replace(table, source=f"{name} from {path}")

    def find() -> Path | None:
        return None if table is None else Path(f"{name}.file")

    suffix = {"compact": ".csv", "official": ".parquet"}.get(name, "")
    return TruthSource(name, find, load, f"get {name}", automatic, suffix)


def _benchmark(*truths: TruthSource) -> Benchmark:
    return dataclasses.replace(BENCHMARKS["nasbench201"], truths=truths)


def _taken(benchmark: Benchmark, name: str = "auto", dataset: str = "cifar10") -> str:
    return resolve(benchmark, name, dataset).source


def test_auto_takes_the_first_there_is() -> None:
    best, worse, absent = _source("best", _table()), _source("worse", _table()), _source("no", None)
    assert _taken(_benchmark(best, worse)) == "best from best.file"
    assert _taken(_benchmark(absent, worse, best)) == "worse from worse.file"


def test_auto_passes_over_what_lacks_the_protocol_or_must_be_named() -> None:
    lacking = _source("lacking", _table(ROWS[4:5]))
    named = _source("named", _table(), automatic=False)
    benchmark = _benchmark(lacking, named, _source("last", _table()))
    assert _taken(benchmark) == "last from last.file"
    assert _taken(benchmark, "named") == "named from named.file"
    with pytest.raises(InputError, match=r"lacking from lacking\.file has no ori-test"):
        _taken(benchmark, "lacking")


def test_split_and_epochs() -> None:
    benchmark = _benchmark(_source("one", _table()))
    assert dict(resolve(benchmark, "one", "cifar10").values) == {"a": 93.0, "b": 80.0}
    assert dict(resolve(benchmark, "one", "cifar10", epochs=12).values) == {"a": 0.0}
    assert dict(resolve(benchmark, "one", "cifar10", split="train").values) == {"a": 100.0}
    assert dict(resolve(benchmark, "one", "cifar100").values) == {"b": 70.5}


def test_no_truth_at_all_lists_every_remedy() -> None:
    benchmark = _benchmark(_source("one", None), _source("two", _table(ROWS[6:])))
    with pytest.raises(InputError, match=r"cifar10, ori-test, 200 epochs.*one: get one; two: get "):
        _taken(benchmark)


def test_named_source_that_is_absent() -> None:
    with pytest.raises(InputError, match=r"no 'one' ground truth here: get one"):
        _taken(_benchmark(_source("one", None), _source("two", _table())), "one")


@pytest.mark.parametrize("name", ["best", "Auto", "no/such/table.csv", "table.txt", ""])
def test_unknown_source_lists_those_there_are(name: str, tmp_path: Path) -> None:
    (tmp_path / "table.txt").touch()
    name = str(tmp_path / name) if name == "table.txt" else name
    with pytest.raises(InputError, match=r"name one of auto, compact, official, or") as caught:
        _taken(_benchmark(_source("compact", _table()), _source("official", _table())), name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(("suffix", "reader"), [("csv", "compact"), ("parquet", "official")])
def test_path_of_a_table_chooses_its_reader(suffix: str, reader: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{suffix}"
    path.touch()
    benchmark = _benchmark(_source("official", _table()), _source("compact", _table()))
    assert _taken(benchmark, str(path)) == f"{reader} from {path}"


def test_unknown_dataset() -> None:
    with pytest.raises(InputError, match="'svhn'"):
        _taken(_benchmark(_source("one", _table())), dataset="svhn")


def test_values_are_numbers() -> None:
    truth = _table().accuracies("cifar10", "ori-test", 200)
    assert truth.values.dtype == np.float64


def test_a_space_without_accuracies_says_so() -> None:
    untrained = dataclasses.replace(
        BENCHMARKS["nasbench201"], name="toy", truths=(), import_official=None, keep=None
    )
    for name in ("auto", "official"):
        with pytest.raises(InputError, match=r"toy has no accuracies .* not trained"):
            resolve(untrained, name, "cifar10")


# ------------------------------------------------------------------ tables in wide form


def _wide(frame: pd.DataFrame) -> WideTable:
    """The rows of a long table, an architecture each, with columns that are no accuracies."""
    names = [
        wide_column(dataset, epochs, split, seed)
        for dataset, epochs, split, seed in frame[list(COLUMNS[1:5])].itertuples(index=False)
    ]
    wide = frame.assign(name=names).pivot_table(index="arch", columns="name", values="accuracy")
    arrow = pa.Table.from_pandas(wide.assign(seconds=1.0).reset_index(), preserve_index=False)
    return WideTable("toy", "made up", "nobody", len(arrow), arrow.column_names, arrow.select)


def test_wide_and_long_say_the_same() -> None:
    long, wide = _table(), _wide(_table().frame)
    assert wide.size() == long.size() == (2, 7)
    kinds = [set(each.kinds().itertuples(index=False, name=None)) for each in (long, wide)]
    assert kinds[0] == kinds[1]
    for dataset, split, epochs in {row[1:4:2] + row[2:3] for row in ROWS}:
        one, other = (each.accuracies(str(dataset), split, epochs) for each in (long, wide))
        assert one.values.to_dict() == other.values.to_dict()
        assert one.protocol == other.protocol
        assert one.diverged(85) == other.diverged(85)
    assert not wide.holds("cifar10", "train", 12)
    with pytest.raises(InputError, match="made up has no train accuracy of cifar10 after 12"):
        wide.accuracies("cifar10", "train", 12)


def test_diverged_where_any_training_is() -> None:
    truth = _table().accuracies("cifar10", "ori-test", 200)
    assert truth.diverged(91) == {"a", "b"}  # 90, 92 and 97 have a mean of 93
    assert truth.diverged(90) == {"b"}
    assert dataclasses.replace(truth, lowest=None).diverged(91) == {"b"}


# ------------------------------------------------------------------ each source's own split


def test_a_source_may_count_another_split_as_final() -> None:
    own = dataclasses.replace(_source("own", _table(ROWS[4:5])), splits=("ori-test", "train"))
    benchmark = _benchmark(_source("lacking", _table(ROWS[6:])), own)
    assert dict(resolve(benchmark, "auto", "cifar10").values) == {"a": 100.0}
    assert dict(resolve(benchmark, "own", "cifar10").values) == {"a": 100.0}
    with pytest.raises(InputError, match=r"own from own\.file has no ori-test accuracy"):
        resolve(benchmark, "own", "cifar10", "ori-test")
    both = dataclasses.replace(own, load=lambda path: _table())
    assert dict(resolve(_benchmark(both), "own", "cifar10").values) == {"a": 93.0, "b": 80.0}
