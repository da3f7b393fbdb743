"""Ground truth of the user's own, around trainings that take no time."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from benchmarks import BENCHMARKS, own
from benchmarks.errors import InputError
from benchmarks.types import ids_of
from harness.cli.app import main
from harness.pipelines import truth_making
from harness.pipelines.truth_making import TruthChoice, TruthMade
from harness.scoring.sampling import sample_ids
from harness.training.folders import images
from tests.harness.pipelines import trainings

CHOICE = TruthChoice("nasbench201", "flowers", cells=12, seeds=2, workers=1, device="cpu")


@pytest.fixture(autouse=True)
def flowers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "read", trainings.images)


def make(
    choice: TruthChoice, out: Path, work: object = trainings.work, *, plan_only: bool = False
) -> tuple[TruthMade, str]:
    said = Console(file=io.StringIO(), width=500)
    made = truth_making.make(choice, out, plan_only=plan_only, console=said, work=work)  # type: ignore[arg-type]
    assert isinstance(said.file, io.StringIO)
    return made, said.file.getvalue()


def test_a_table_of_a_seeded_sample(tmp_path: Path) -> None:
    made, said = make(CHOICE, tmp_path / "mine.csv")
    table = own.read_of(BENCHMARKS["nasbench201"], tmp_path / "mine.csv")
    members = ids_of(BENCHMARKS["nasbench201"].space, "reachable")
    assert list(table.frame["arch"].unique()) == sample_ids(members, 12, 0)
    assert (table.dataset, table.split, table.epochs) == ("images-32-3", "val", 200)
    good = table.frame[(table.frame["failure"] == "") & (table.frame["split"] == "val")]
    for row in good.itertuples():
        expected = 80 * trainings.share(row.arch) + 20 * trainings.share(row.arch, row.seed)
        assert row.accuracy == expected
    assert set(table.failed.values()) == {"the loss is nan in epoch 2"}
    assert made.agreement is not None
    assert made.agreement.n == 12 - len(table.failed)
    for words in (
        "24 trainings: a seeded random 12 of the 9,445 of reachable (seed 0), 2 seed(s) from 0",
        "300 to train on, 9 to validate on, 3 classes",
        "NAS-Bench-201's training",
        "to decide a difference of 0.05",
        "a training takes 1 s; ",
        "no proxy is expected above tau",
        f"next: harness eval params flops nwot --truth {tmp_path / 'mine.csv'}\n",
    ):
        assert words in said


def test_the_plan_trains_nothing(tmp_path: Path) -> None:
    def never(job: object, device: str) -> None:
        raise AssertionError

    made, said = make(CHOICE, tmp_path / "mine.csv", never, plan_only=True)
    assert (made.path, made.table) == (None, None)
    assert "24 trainings" in said
    assert not list(tmp_path.glob("mine*"))


def test_workers_change_nothing(tmp_path: Path) -> None:
    one, two = tmp_path / "1" / "mine.csv", tmp_path / "2" / "mine.csv"
    make(CHOICE, one)
    make(replace(CHOICE, workers=2), two)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_run_goes_on(tmp_path: Path, workers: int) -> None:
    choice, out = replace(CHOICE, workers=workers), tmp_path / "mine.csv"
    with pytest.raises(KeyboardInterrupt):
        make(choice, out, trainings.stopped_work)
    assert not out.exists()
    kept = list((tmp_path / "mine.csv.trainings/finished").iterdir())
    assert 0 < len(kept) < 24
    _, said = make(choice, out)
    assert f"{len(kept)} trainings are in" in said
    make(CHOICE, tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


SCRIPT = """
import sys
from pathlib import Path
from rich.console import Console
from harness.pipelines import truth_making
from harness.training.folders import images
from tests.harness.pipelines import trainings
images.read = trainings.images
choice = truth_making.TruthChoice(
    "nasbench201", "flowers", cells=6, seeds=1, workers=int(sys.argv[2]), device="cpu"
)
truth_making.make(
    choice, Path(sys.argv[1]), plan_only=False, console=Console(quiet=True),
    work=trainings.slow_work,
)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_from_its_checkpoints(tmp_path: Path, workers: int) -> None:
    out = tmp_path / "mine.csv"
    folder = tmp_path / "mine.csv.trainings"
    command = [sys.executable, "-c", SCRIPT, str(out), str(workers)]
    running = subprocess.Popen(command, cwd=Path(__file__).parents[3], env=dict(os.environ))
    while len(list(folder.glob("running/*.log"))) < 3:
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not out.exists()
    time.sleep(1.5)  # workers leave with their parent within a second
    done = len(list(folder.glob("finished/*.json")))
    assert done < 6
    choice = replace(CHOICE, cells=6, seeds=1)
    make(choice, out, trainings.slow_work)
    for log in folder.glob("running/*.log"):  # no epoch twice, but one whose checkpoint was lost
        epochs = log.read_text().split()
        assert set(epochs) == {"0", "1", "2"}
        assert len(epochs) <= 4
    assert not list(folder.glob("running/*.pt"))
    make(choice, tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_more_cells_and_seeds_come_to_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "mine.csv"
    make(replace(CHOICE, cells=6, seeds=1), out)
    small = own.read(out)
    assert small.agreement == ""
    _, said = make(CHOICE, out)
    assert "6 trainings are in" in said
    large = own.read(out)
    assert set(small.frame["arch"]) < set(large.frame["arch"])
    assert large.agreement.startswith("tau ")


def test_failed_trainings_are_tried_again_on_demand(tmp_path: Path) -> None:
    out = tmp_path / "mine.csv"
    make(CHOICE, out)
    count = int((own.read(out).frame["failure"] != "").sum())
    assert count
    assert "24 trainings are in" in make(CHOICE, out)[1]
    assert f"{24 - count} trainings are in" in make(replace(CHOICE, retry_failed=True), out)[1]


def test_a_dead_worker_loses_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"worker process died.*mine\.csv\.trainings.*--workers"):
        make(replace(CHOICE, workers=2), tmp_path / "mine.csv", trainings.dying_work)


def test_spaces_without_end_are_drawn_from(tmp_path: Path) -> None:
    choice = replace(CHOICE, space="mobilenetv2", protocol="nasbench201", resolution=64, seeds=1)
    few, _ = make(replace(choice, cells=3), tmp_path / "few.csv")
    many, said = make(replace(choice, cells=5), tmp_path / "many.csv")
    assert few.table is not None
    assert many.table is not None
    assert many.table.dataset == "imagenet-64-3"
    assert list(few.table.frame["arch"].unique()) == list(many.table.frame["arch"].unique())[:3]
    assert "--benchmark mobilenetv2" in said


def test_cifar10_by_name_is_the_benchmarks_own_dataset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ten = replace(trainings.images(), classes=tuple("abcdefghij"))
    monkeypatch.setattr(images, "read", lambda data, resolution=None: ten)
    for data, dataset in (("cifar10", "cifar10"), ("flowers", "images-32-10")):
        _, said = make(replace(CHOICE, data=data), tmp_path / "mine.csv", plan_only=True)
        assert f"on {dataset}\n" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "nasbench202"}, "unknown protocol 'nasbench202', did you mean nasbench201"),
        ({"protocol": "uninas_detection"}, "of detection; ground truth is of classification"),
        ({"space": "nasbench203"}, "unknown benchmark"),
        ({"batch_size": 301}, "300 training images do not fill a step of 301"),
        ({"resolution": 30}, "no NAS-Bench-201 dataset 'images-30-3'"),
        ({"cells": 2}, "2 architectures cannot be ranked"),
        ({"cells": 10_000}, "a sample of 10000 cannot be drawn"),
        ({"set": "some"}, "unknown NAS-Bench-201 set"),
        ({"archs": ["1", "2", "3"], "set": "all"}, "--archs takes the place of a set"),
        ({"archs": ["1", "2", "x"]}, "'x'"),
        ({"seeds": 0}, "seeds 0: ask for 1 or more"),
        ({"epochs": 0}, "epochs 0"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_bad_input(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(replace(CHOICE, **change), tmp_path / "mine.csv")  # type: ignore[arg-type]
    assert not list(tmp_path.glob("*.csv"))


def test_no_table_of_other_trainings_is_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "mine.csv"
    make(CHOICE, out)
    before = out.read_bytes()
    with pytest.raises(InputError, match=r"by another protocol than .* 100 epochs.*another --out"):
        make(replace(CHOICE, epochs=100), out)
    out.rename(tmp_path / "other.csv")
    with pytest.raises(InputError, match=r"protocol \(protocol epochs 200, not 100\); choose"):
        make(replace(CHOICE, epochs=100), out)
    with pytest.raises(InputError, match="trainings of another data"):
        make(replace(CHOICE, data="trees"), out)
    make(CHOICE, out)
    assert out.read_bytes() == before
    (tmp_path / "notes.csv").write_text("mine")
    with pytest.raises(InputError, match="no truth table, and is not overwritten"):
        make(CHOICE, tmp_path / "notes.csv")
    with pytest.raises(InputError, match=r"must end in \.csv"):
        make(CHOICE, tmp_path / "mine.parquet")


def test_damaged_trainings_are_named(tmp_path: Path) -> None:
    out = tmp_path / "mine.csv"
    make(CHOICE, out)
    file = next((tmp_path / "mine.csv.trainings/finished").iterdir())
    whole = json.loads(file.read_text())
    for bad in (
        "{",
        "[]",
        "{}",
        json.dumps({**whole, "seed": 9}),
        json.dumps({**whole, "x": 1}),
        json.dumps({**whole, "seconds": "long"}),
        json.dumps({**whole, "accuracies": [1]}),
    ):
        file.write_text(bad)
        with pytest.raises(InputError) as caught:
            make(CHOICE, out)
        assert str(file) in str(caught.value)
    folder = tmp_path / "new.csv.trainings"
    folder.mkdir()
    (folder / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds no trainings, but other files"):
        make(CHOICE, tmp_path / "new.csv")


# ------------------------------------------------------------------ what the table is for


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def test_proxies_are_evaluated_on_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made, _ = make(replace(CHOICE, epochs=3), tmp_path / "mine.csv")
    assert made.table is not None
    n = 12 - len(made.table.failed)
    options = ("--truth", "mine.csv", "--workers", 1, "--batch-size", 4, "--resamples", 50)
    assert run("eval", "nwot", "flops", *options) == 0
    said = " ".join(capsys.readouterr().out.split())
    folder = tmp_path / "harness-out/nasbench201/images-32-3"
    table = pd.read_csv(folder / "evaluation.csv")
    assert set(table["n"]) == {n}
    for words in (
        "val accuracy after 3 epochs, mean over 2 trainings; source: mine.csv",
        "images: flowers, 300 to train on, 9 to validate on, 3 classes",
        f"all of the {n} of the truth table",
        f"two trainings of the same {n} architectures agree at tau",
    ):
        assert words in said
    assert run("eval", "flops", *options, "--dataset", "cifar10") == 2
    assert "a table of images-32-3, not of cifar10" in capsys.readouterr().err
    assert run("eval", "flops", *options, "--benchmark", "nasbench101") == 2
    assert "name it with --benchmark nasbench201" in capsys.readouterr().err


def test_short_trainings_are_a_proxy_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made, _ = make(CHOICE, tmp_path / "mine.csv")
    assert made.table is not None
    assert run("truth", "scores", "mine.csv", "--out", "little.json") == 2
    assert "name a dataset with --dataset: cifar10" in capsys.readouterr().err
    common = ("--dataset", "cifar10")
    assert run("truth", "scores", "mine.csv", "--out", "little.json", *common, "--seed", 7) == 2
    assert "no training with seed 7; its seeds: 0, 1" in capsys.readouterr().err
    assert run("truth", "scores", "mine.csv", "--out", "little.json", *common) == 0
    assert "train_little@little nwot vkdnw --archs little.txt" in capsys.readouterr().out
    assert run("import-scores", "little.json") == 0
    options = ("--archs", "little.txt", "--only", "--resamples", 50)
    assert run("eval", "train_little@little", "flops", *options) == 0
    table = pd.read_csv("harness-out/nasbench201/cifar10/evaluation.csv").set_index("proxy")
    row = table.loc["train_little@little"]
    assert (row["n"], row["failed"]) == (12 - len(made.table.failed), len(made.table.failed))
    assert row["seconds"] == pytest.approx(2.5, rel=0.2)  # of two trainings; failed ones are short


def test_what_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    out = tmp_path / "mine.csv"
    assert run("truth", "make", "--data", "flowers", "--out", out) == 2
    assert "pip install 'nas-proxy-harness[train]'" in capsys.readouterr().err
