"""Trainings from end to end, as `harness train` does them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import harness
from benchmarks.errors import InputError
from benchmarks.nasbench201.space import NASBench201Space
from harness.cli.app import main
from harness.results import Training
from harness.training.run import checkpoints
from tests.harness.training import scenes

ROOT = Path(__file__).parents[3]
#: A cell that is one convolution; small, and quick to learn.
CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
OTHER = "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
#: Three convolutions a stage at most, of four stages.
MODEL = "8-16:16-24-32-48:RR/R/R/R"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of shapes."""
    folder: Path = tmp_path_factory.mktemp("images")
    scenes.image_folder(folder, classes=3, train=60, val=24, size=32)
    return folder


def train(images: Path, out: Path, **more: Any) -> Training:
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 16, "workers": 0, "progress": False}
    return harness.train(CELL, images, out, **settings | more)


def test_a_cell_learns_and_its_folder_shows_it_again(images: Path, tmp_path: Path) -> None:
    result = train(images, tmp_path / "out")
    assert result.figures["top1"] > 60  # of three classes
    space = NASBench201Space()
    size = space.costs(space.parse(CELL), "images-32-3")
    assert result.figures["params"] == size.params
    written = harness.load(tmp_path / "out")
    assert isinstance(written, Training)
    pd.testing.assert_frame_equal(written.history, result.history, check_dtype=False)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"checkpoint.pt", "weights.pt", "history.csv", "steps.csv", "tensorboard", "result.json",
            "training.md", "curve.png"} <= names  # fmt: skip
    identity = json.loads((tmp_path / "out/result.json").read_text())["facts"]["identity"]
    assert identity["protocol"]["epochs"] == 2
    assert any((tmp_path / "out/tensorboard").iterdir())


#: A classification, and what heads have of their own: sizes, crops, several losses.
STOPPED: dict[str, dict[str, Any]] = {
    "classification": {"model": CELL, "batch_size": 30},
    "segmentation": {"model": MODEL, "space": "uninas", "batch_size": 4, "resolution": 64},
    "detection": {"model": MODEL, "space": "uninas", "batch_size": 2, "resolution": 64},
}


@pytest.fixture(scope="module")
def layouts(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Images of each task."""
    folder = tmp_path_factory.mktemp("layouts")
    scenes.ade20k(folder / "segmentation", train=12, val=2, size=64)
    scenes.coco(folder / "detection", train=6, val=2, size=64)
    return {
        "classification": images,
        "segmentation": folder / "segmentation",
        "detection": folder / "detection",
    }


@pytest.mark.parametrize("task", STOPPED)
def test_a_stopped_training_goes_on_to_the_same_curve(
    task: Any, layouts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(out: str, **more: Any) -> Training:
        given = {"epochs": 2, "workers": 0, "progress": False} | STOPPED[task] | more
        return harness.train(data=layouts[task], out=tmp_path / out, task=task, **given)

    whole = run("whole")
    save, kept = checkpoints.save, []

    def stop_after_one(path: Path, content: dict[str, Any]) -> None:
        save(path, content)
        kept.append(content["state"]["step"])
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        run("stopped", checkpoint_every=2)
    monkeypatch.undo()
    assert kept == [2]
    again = run("stopped", checkpoint_every=2)
    for column in ("loss", "rate", str(whole.facts["metric"])):
        assert list(again.history[column]) == list(whole.history[column])


def test_another_training_is_refused_and_nothing_is_lost(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train(images, out, epochs=1)
    before = {path: path.read_bytes() for path in out.glob("*.*")}
    with pytest.raises(InputError, match=r"another training \(protocol epochs 1, not 2\)"):
        train(images, out, epochs=2)
    with pytest.raises(InputError, match=r"of another training \(architecture"):
        harness.train(OTHER, images, out, epochs=1, batch_size=16, workers=0, progress=False)
    shutil.copytree(images, tmp_path / "more")
    shutil.rmtree(next((tmp_path / "more/train").iterdir()))
    shutil.rmtree(next((tmp_path / "more/val").iterdir()))
    with pytest.raises(InputError, match=r"another training \(data"):
        train(tmp_path / "more", out, epochs=1)
    assert before == {path: path.read_bytes() for path in out.glob("*.*")}


def test_weights_of_another_model_are_refused(images: Path, tmp_path: Path) -> None:
    train(images, tmp_path / "first", epochs=1)
    weights = tmp_path / "first/weights.pt"
    with pytest.raises(InputError, match=r"weights\.pt holds weights of another model"):
        harness.train(
            OTHER, images, tmp_path / "second", weights=weights, epochs=1, batch_size=16,
            workers=0, progress=False,
        )  # fmt: skip
    again = train(images, tmp_path / "second", epochs=1, weights=weights)
    first = harness.load(tmp_path / "first")
    assert isinstance(first, Training)
    assert again.history["loss"].iloc[0] < first.history["loss"].iloc[0]
    with pytest.raises(InputError, match=r"result\.json is no checkpoint"):
        train(images, tmp_path / "third", weights=tmp_path / "first/result.json")


def test_a_checkpoint_of_another_task_is_refused(images: Path, tmp_path: Path) -> None:
    train(images, tmp_path / "out", epochs=1)
    data = scenes.ade20k(tmp_path / "scenes", train=4, val=2, size=64)
    with pytest.raises(InputError, match="of another training"):
        harness.train(
            MODEL, data, tmp_path / "out", space="uninas", task="segmentation", epochs=1,
            batch_size=2, resolution=64, workers=0, progress=False,
        )  # fmt: skip


def test_a_classifier_s_weights_begin_a_segmentation(images: Path, tmp_path: Path) -> None:
    small: dict[str, Any] = {"epochs": 1, "workers": 0, "progress": False, "space": "uninas"}
    harness.train(MODEL, images, tmp_path / "first", batch_size=16, resolution=32, **small)
    data = scenes.ade20k(tmp_path / "scenes", train=4, val=2, size=64)
    result = harness.train(
        MODEL, data, tmp_path / "second", task="segmentation", batch_size=2, resolution=64,
        weights=tmp_path / "first/weights.pt", **small,
    )  # fmt: skip
    assert 0 <= result.figures["miou"] <= 100
    assert result.figures["flops_with_head"] > result.figures["flops"] > 0
    held = checkpoints.load(tmp_path / "second/weights.pt")
    assert (held["about"]["space"], held["about"]["task"]) == ("uninas", "segmentation")


def test_cells_have_no_stages(tmp_path: Path) -> None:
    data = scenes.ade20k(tmp_path / "scenes", train=4, val=2, size=64)
    with pytest.raises(InputError, match="needs maps at strides 4, 8, 16 and 32"):
        train(data, tmp_path / "out", task="segmentation", batch_size=2)
    assert not (tmp_path / "out/checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nowhere"], "there is no folder or file nowhere"),
        (["--protocol", "uninas_clasification"], "did you mean uninas_classification"),
        (["--protocol", "uninas_detection"], "is of detection, not of classification"),
        (["--task", "painting"], "unknown task 'painting'; known: classification, detection"),
        (["--precision", "float8"], "unknown precision 'float8'"),
        (["--batch-size", "181"], "training images do not fill a step of 1 x 181"),
        (["--resolution", "big"], "takes a side as 224 or HEIGHTxWIDTH, not 'big'"),
        (["--model", "|nope~0|"], "nope"),
    ],
)
def test_the_command_line_names_what_is_wrong(
    words: list[str], message: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--model": CELL, "--data": str(images), "--out": str(tmp_path / "out"),
             "--workers": "0", "--epochs": "1"}  # fmt: skip
    given |= dict([words])
    with pytest.raises(SystemExit) as stopped:
        main(["train", *(each for pair in given.items() for each in pair)])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_precision_is_lowered_where_it_is_asked_for(images: Path, tmp_path: Path) -> None:
    exact = train(images, tmp_path / "exact", epochs=1)
    low = train(images, tmp_path / "low", epochs=1, precision="bfloat16")
    one, other = exact.history["loss"].iloc[0], low.history["loss"].iloc[0]
    assert one != other
    assert other == pytest.approx(one, rel=0.3)
    state = checkpoints.load(tmp_path / "low/weights.pt")["weights"]
    assert all(t.dtype == torch.float32 for t in state.values() if t.is_floating_point())


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_named_whoever_loads_it(
    workers: int, images: Path, tmp_path: Path
) -> None:
    shutil.copytree(images, tmp_path / "images")
    spoiled = next((tmp_path / "images/train/1_circle").iterdir())
    spoiled.write_bytes(spoiled.read_bytes()[:60])
    with pytest.raises(InputError) as raised:
        train(tmp_path / "images", tmp_path / "out", workers=workers)
    assert str(raised.value).startswith(f"{spoiled} is no readable image")
    assert "Traceback" not in str(raised.value)


def test_a_training_killed_by_the_system_goes_on(images: Path, tmp_path: Path) -> None:
    whole = train(images, tmp_path / "whole", epochs=6, batch_size=12)
    words = [
        "train", "--model", CELL, "--data", str(images), "--out", str(tmp_path / "killed"),
        "--epochs", "6", "--batch-size", "12", "--workers", "0", "--checkpoint-every", "3",
    ]  # fmt: skip
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # sums of several threads have another order
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *words], cwd=ROOT, stdout=subprocess.DEVNULL, env=alone
    )
    while not (tmp_path / "killed/checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "killed/result.json").exists()
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=ROOT, check=False, capture_output=True,
        text=True, env=alone,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "goes on from step" in done.stderr + done.stdout
    again = harness.load(tmp_path / "killed")
    assert isinstance(again, Training)
    for column in ("loss", "rate", "top1"):
        assert list(again.history[column]) == pytest.approx(list(whole.history[column]), rel=1e-12)


def test_another_task_s_folder_is_refused(tmp_path: Path) -> None:
    for make, task in ((scenes.ade20k, "segmentation"), (scenes.coco, "detection")):
        make(tmp_path / task, train=2, val=2, size=64)
        with pytest.raises(InputError, match=f"use --task {task}"):
            train(tmp_path / task, tmp_path / "out")


def test_one_image_a_class_is_refused(images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "images")
    for spare in sorted((tmp_path / "images/train/1_circle").iterdir())[1:]:
        spare.unlink()
    with pytest.raises(InputError, match="1_circle has one image, from which no class is learned"):
        train(tmp_path / "images", tmp_path / "out")


def test_se_follows_the_weights(tmp_path: Path, images: Path) -> None:
    """MobileNetV2 is trained with squeeze-and-excitation, which the detection does not name."""
    small: dict[str, Any] = {"epochs": 1, "workers": 0, "progress": False, "space": "mobilenetv2"}
    harness.train(
        "initial", images, tmp_path / "first", protocol="mobilenetv2_150", batch_size=16,
        resolution=32, **small,
    )  # fmt: skip
    data = scenes.ade20k(tmp_path / "scenes", train=4, val=2, size=64)
    weights = tmp_path / "first/weights.pt"
    result = harness.train(
        "initial", data, tmp_path / "second", task="segmentation", batch_size=2, resolution=64,
        weights=weights, **small,
    )  # fmt: skip
    assert result.figures["params"] > 0
    assert checkpoints.about(tmp_path / "second/weights.pt")["se"] is True
