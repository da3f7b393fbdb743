"""Truth tables of the user's own: written and read, refused, and taken as ground truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import BENCHMARKS, own
from benchmarks.errors import InputError
from benchmarks.truth import default_dataset, resolve
from benchmarks.types import ids_of

NASBENCH = BENCHMARKS["nasbench201"]
ARCHS = list(ids_of(NASBENCH.space, "reachable"))[:4]
NAN = float("nan")
ROWS = [
    (ARCHS[0], "images-32-3", 5, "val", "0", 60.25, 1.5, ""),
    (ARCHS[0], "images-32-3", 5, "val", "1", 62.75, 2.5, ""),
    (ARCHS[1], "images-32-3", 5, "val", "0", 1 / 3, 1.5, ""),
    (ARCHS[1], "images-32-3", 5, "val", "1", 70.0, 1.5, ""),
    (ARCHS[2], "images-32-3", 5, "val", "0", 50.0, 1.5, ""),
    (ARCHS[2], "images-32-3", 5, "val", "1", NAN, 0.5, "the loss is nan, in epoch 2"),
    (ARCHS[0], "images-32-3", 5, "train", "0", 99.0, 1.5, ""),
]
TABLE = own.OwnTable(
    benchmark="nasbench201",
    dataset="images-32-3",
    split="val",
    epochs=5,
    protocol="a recipe: its settings",
    data="flowers, 300 to train on",
    identity="0123456789ab",
    frame=pd.DataFrame(ROWS, columns=list(own.FILE_COLUMNS)),
    agreement="tau 0.600 [0.500, 0.700]",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    own.write(TABLE, path)
    return path


def test_a_table_survives_its_file(file: Path) -> None:
    assert own.is_own(str(file))
    found = own.read_of(NASBENCH, file)
    pd.testing.assert_frame_equal(found.frame, TABLE.frame, check_exact=True)
    fields = [f.name for f in dataclasses.fields(TABLE) if f.name != "frame"]
    assert all(getattr(found, name) == getattr(TABLE, name) for name in fields)


def test_architectures_with_a_failed_training_are_left_out() -> None:
    assert TABLE.failed == {ARCHS[2]: "the loss is nan, in epoch 2"}
    truth = TABLE.accuracies("mine.csv")
    assert truth.values.to_dict() == {ARCHS[0]: 61.5, ARCHS[1]: pytest.approx(35 + 1 / 6)}
    assert truth.repeats is not None
    np.testing.assert_array_equal(truth.repeats.loc[ARCHS[0]], [60.25, 62.75])
    assert any("1 architectures with a failed training (the loss is nan" in n for n in truth.notes)
    assert TABLE.accuracies("mine.csv", "train").values.to_dict() == {ARCHS[0]: 99.0}


def test_all_failed() -> None:
    bad = dataclasses.replace(TABLE, frame=TABLE.frame[TABLE.frame["arch"] == ARCHS[2]])
    with pytest.raises(InputError, match="every architecture has a failed training"):
        bad.accuracies("mine.csv")


def test_resolve_takes_its_only_protocol(file: Path) -> None:
    assert default_dataset(NASBENCH, str(file)) == "images-32-3"
    assert default_dataset(NASBENCH, "auto") == "cifar10"
    truth = resolve(NASBENCH, str(file), "images-32-3")
    assert truth.protocol == (
        "nasbench201 images-32-3, val accuracy after 5 epochs, mean over 2 trainings; "
        "source: mine.csv, trained here"
    )
    assert truth.notes[:2] == (
        "trained by a recipe: its settings",
        "images: flowers, 300 to train on",
    )


def test_a_space_without_accuracies_takes_one_too(tmp_path: Path) -> None:
    benchmark = BENCHMARKS["mobilenetv2"]
    archs = [each.id for each in benchmark.space.architectures("known")]
    rows = [(a, "imagenet-64-10", 5, "val", "0", 50.0, 1.0, "") for a in archs]
    frame = pd.DataFrame(rows, columns=list(own.FILE_COLUMNS))
    mine = dataclasses.replace(
        TABLE, benchmark="mobilenetv2", dataset="imagenet-64-10", frame=frame, agreement=""
    )
    own.write(mine, tmp_path / "mine.csv")
    truth = resolve(benchmark, str(tmp_path / "mine.csv"), "imagenet-64-10")
    assert set(truth.values.index) == set(archs)
    with pytest.raises(InputError, match=r"of mobilenetv2, not of nasbench201; .*--benchmark mob"):
        resolve(NASBENCH, str(tmp_path / "mine.csv"), "cifar10")


@pytest.mark.parametrize(
    ("dataset", "split", "epochs", "message"),
    [
        ("cifar10", None, None, "of images-32-3, not of cifar10; .*--dataset images-32-3"),
        ("images-32-3", None, 200, "after 5 epochs, not 200; leave --epochs out"),
        ("images-32-3", "test", None, "has no test accuracy .* it has: images-32-3 val 5 epochs"),
    ],
)
def test_another_protocol_is_refused(
    file: Path, dataset: str, split: str | None, epochs: int | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        resolve(NASBENCH, str(file), dataset, split, epochs)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# split: val\n", "", "no line '# split"),
        ("# split: val\n", "# split: test\n", "no row of its split test"),
        ("# epochs: 5\n", "# epochs: five\n", "epochs 'five' is no number"),
        ("# epochs: 5\n", "# epochs: 6\n", "5 epochs, the table of images-32-3 and 6"),
        ("# split: val\n", "# split: val\n# split: val\n", "each once"),
        ("# split: val\n", "# splot: val\n", "'# splot: val' should be one of"),
        (",60.25,", ",160.25,", "accuracy 160.25 .* not in 0..100"),
        (",60.25,", ",high,", "accuracy high .* not in 0..100"),
        (",60.25,", ",,", "accuracy .* not in 0..100"),
        (",60.25,1.5,", ",60.25,-1,", "seconds '-1' .* no time"),
        (",60.25,1.5,", ",60.25,inf,", "seconds 'inf' .* no time"),
        (",60.25,1.5,", ",60.25,1.5,bad", "both an accuracy and a failure"),
        ("val,1,62.75", "val,0,62.75", "stands twice"),
        ("val,1,62.75", "val,1,62.75,4,5,6", "damaged"),
        ("seconds,failure", "seconds,why", "expected the columns"),
        (ARCHS[1], "|what~0|", "what"),
        (ARCHS[1], "17", "the architecture 17 is called"),
        ("images-32-3", "images-33-3", "no NAS-Bench-201 dataset 'images-33-3'"),
    ],
)
def test_damage_is_named(file: Path, old: str, new: str, message: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        own.read_of(NASBENCH, file)
    assert str(file) in str(caught.value)


def test_an_empty_table_and_other_files(file: Path, tmp_path: Path) -> None:
    head = [line for line in file.read_text().splitlines() if line.startswith("#")]
    file.write_text("\n".join(head))
    with pytest.raises(InputError, match="damaged"):
        own.read(file)
    file.write_text("\n".join([*head, ",".join(own.FILE_COLUMNS)]))
    with pytest.raises(InputError, match="has no row"):
        own.read(file)
    file.write_bytes(own.FIRST_LINE.encode() + b"\n\xff\xfe")
    with pytest.raises(InputError, match="cannot read"):
        own.read(file)
    for name in ("auto", "", str(tmp_path), str(tmp_path / "no.csv"), "a\0b"):
        assert not own.is_own(name)
