"""`harness` on NAS-Bench-101: import of an official file, evaluation from it, failed trainings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.nasbench101 import enumeration
from benchmarks.nasbench101.architecture import OPS, Cell
from benchmarks.nasbench101.official import import_official
from harness.cli.app import main
from harness.pipelines.plan import Choice, make_plan
from harness.scoring.sampling import sample
from tests.benchmarks.nasbench101.records import enumerated, trainings
from tests.benchmarks.readers import tfrecords

CHAIN = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
#: Two operations in a row: nine cells, all different.
CELLS = [Cell.of(CHAIN, ["input", first, second, "output"]) for first in OPS for second in OPS]
OPTIONS = ("--benchmark", "nasbench101", "--workers", 1, "--device", "cpu", "--resamples", 20)
FOLDER = Path("harness-out/nasbench101/cifar10")


@pytest.fixture(autouse=True)
def small_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The space has the cells `CELLS` alone."""
    monkeypatch.chdir(tmp_path)
    small = enumerated(CELLS)
    monkeypatch.setattr(enumeration, "enumeration", lambda: small)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def _official(cells: Sequence[Cell], diverged: Sequence[Cell] = ()) -> Path:
    """An official file; one training of each of the `diverged` failed, the others did not."""
    payloads, seen = [], set[Cell]()
    for each in trainings(cells, (108,)):
        start, half, end = each.evaluations
        failed = each.cell in diverged and each.cell not in seen
        seen.add(each.cell)
        end = dataclasses.replace(end, test=0.1 if failed else 0.5 + end.test / 2)
        payloads.append(dataclasses.replace(each, evaluations=[start, half, end]).record())
    return tfrecords.write(payloads, Path("nasbench_only108.tfrecord"))


def _page() -> str:
    return (FOLDER / "evaluation.md").read_text()


def test_import_then_eval(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "import", "nasbench101", _official(CELLS)) == 0
    said = capsys.readouterr().out
    assert "9 architectures, 162 accuracies from nasbench_only108.tfrecord" in said
    assert str(cache / "nasbench101-official-partial.parquet") in said
    evaluated = ("eval", "params", *OPTIONS, "--truth", "official-partial")
    assert run(*evaluated) == 0
    evaluation = pd.read_csv(FOLDER / "evaluation.csv")
    assert set(evaluation["proxy"]) == {"params", "flops", "layers"}
    assert (evaluation["n"] == 9).all()
    page = _page()
    assert "nasbench101 cifar10, test accuracy after 108 epochs, mean over 3 trainings" in page
    assert "0 of 9 architectures have a training that diverged (accuracy below 15 %), kept" in page
    assert run(*evaluated, "--split", "valid-half") == 0
    assert "valid-half accuracy after 108 epochs" in _page()


def test_the_whole_official_file_is_taken_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enumeration, "SIZE", len(CELLS))
    assert run("data", "import", "nasbench101", _official(CELLS)) == 0
    assert run("eval", "params", *OPTIONS) == 0
    assert "source: nasbench_only108.tfrecord (official" in _page()


def test_diverged_trainings_are_counted_and_left_out() -> None:
    failed = CELLS[2:4]
    path = "mine.parquet"
    official = _official(CELLS, diverged=failed)
    assert run("data", "import", "nasbench101", official, "--out", path) == 0
    evaluated = ("eval", "params", *OPTIONS, "--truth", path)
    assert run(*evaluated, "--sample", "all") == 0
    words = "2 of 9 architectures have a training that diverged (accuracy below 15 %)"
    assert f"{words}, kept, 2 in the sample" in _page()
    assert run(*evaluated, "--sample", "all", "--drop-diverged") == 0
    page = _page()
    assert f"{words}, left out" in page
    assert "all of the 7 with an accuracy and no diverged training, of the 9 of all" in page
    assert (pd.read_csv(FOLDER / "evaluation.csv")["n"] == 7).all()


def test_samples_stay_nested_without_the_diverged() -> None:
    path = _official(CELLS, diverged=CELLS[:1])
    truth = import_official(path).accuracies("cifar10", "test", 108)

    def picked(size: int, *, drop: bool) -> list[str]:
        choice = Choice("nasbench101", sample=size, device="cpu", drop_diverged=drop)
        plan = make_plan(choice, ["params"], truth)
        return list(plan.request.archs)

    whole = [cell.id for cell in sample(CELLS, 9, 0)]
    assert picked(9, drop=False) == whole
    assert picked(5, drop=False) == whole[:5]
    assert picked(8, drop=True) == [arch for arch in whole if arch != CELLS[0].id]


def test_only_final_accuracies_tell_what_diverged(capsys: pytest.CaptureFixture[str]) -> None:
    keys = [cell.id for cell in CELLS]
    figures = [0.1, *[0.5 + place / 100 for place in range(8)]]
    columns = {f"{epochs}_final_validation_accuracy": figures for epochs in (4, 108)}
    Path("sample.json").write_text(json.dumps({"key": keys, **columns}))
    evaluated = ("eval", "params", *OPTIONS, "--truth", "sample.json")
    assert run(*evaluated) == 0
    assert "1 of 9 architectures have a training that diverged" in _page()
    assert run(*evaluated, "--epochs", 4) == 0
    assert "diverged" not in _page()
    assert run(*evaluated, "--epochs", 4, "--drop-diverged") == 2
    assert "leave --drop-diverged out" in capsys.readouterr().err


def test_benchmark_without_a_notion_of_failed_trainings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("eval", "params", "--sample", 5, "--device", "cpu", "--drop-diverged") == 2
    message = capsys.readouterr().err
    assert "nasbench201 cifar10; leave --drop-diverged out" in message


def test_tables_takes_the_flag_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("tables", "--dataset", "cifar10", "--device", "cpu", "--drop-diverged") == 2
    assert "leave --drop-diverged out" in capsys.readouterr().err


def test_partly_covered_space_says_what_the_sample_is_of() -> None:
    path = _official(CELLS[:6])
    assert run("data", "import", "nasbench101", path, "--out", "part.parquet") == 0
    evaluated = ("eval", "params", *OPTIONS, "--truth", "part.parquet")
    assert run(*evaluated, "--sample", 4) == 0
    words = "architectures: a seeded random 4 (seed 0) of the 6 with an accuracy, of the 9 of all"
    assert words in _page()


def test_damaged_file_leaves_nothing(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _official(CELLS)
    path.write_bytes(path.read_bytes()[:-7])
    assert run("data", "import", "nasbench101", path) == 2
    message = capsys.readouterr().err.strip()
    assert "nasbench_only108.tfrecord, record 27: truncated" in message
    assert len(message.splitlines()) == 1
    assert list(cache.iterdir()) == []


def test_without_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("eval", "params", *OPTIONS) == 2
    message = capsys.readouterr().err.strip()
    assert "harness data fetch nasbench101" in message
    assert len(message.splitlines()) == 1


def test_info_lists_what_is_there(wide: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "import", "nasbench101", _official(CELLS)) == 0
    assert run("data", "info") == 0
    assert "cifar10: test, test-half, train, train-half, valid," in " ".join(
        capsys.readouterr().out.split()
    )
