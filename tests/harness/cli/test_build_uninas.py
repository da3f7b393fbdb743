"""`harness build` on UniNAS model files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.uninas import files
from benchmarks.uninas.architecture import KNOWN, Model
from tests.harness.cli.test_app import refused, run


def built(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert run("build", *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("name", "params", "trainable", "gflops"),
    [
        ("resnet", 24_817_416, 24_810_504, 9.038),
        ("efficientnet", 23_864_136, 23_856_712, 6.162),
        ("transformer", 26_398_156, 26_398_156, 18.645),
        ("coatnet", 26_871_124, 26_869_588, 8.506),
    ],
)
def test_the_public_files(
    name: str,
    params: int,
    trainable: int,
    gflops: float,
    real_data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = built(capsys, real_data / "uninas" / f"model_{name}.json")
    assert (figures["space"], figures["dataset"]) == ("uninas", "imagenet")
    assert (figures["params"], figures["trainable_params"]) == (params, trainable)
    assert figures["flops"] == pytest.approx(gflops * 1e9, rel=0.001)


def test_a_file_is_built_at_its_own_resolution_and_written_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = replace(Model.known("RR/E/T/T", (32, 32, 96, 96)), img_size=64, classes=10).checked()
    path, again = tmp_path / "model.json", tmp_path / "again.json"
    files.write(model, path)
    figures = built(capsys, path, "--save", again)
    assert (figures["dataset"], figures["classes"]) == ("imagenet-64-10", 10)
    assert files.read(again) == model
    assert built(capsys, path, "--dataset", "imagenet-32")["resolution"] == 32


def test_a_drawing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "start.txt"
    path.write_text(KNOWN["start"].id)
    assert run("build", path, "--draw", tmp_path / "blocks") == 0
    assert all((tmp_path / f"blocks.{end}").stat().st_size > 10_000 for end in ("png", "svg"))
    assert "blocks.png" in capsys.readouterr().out


def test_what_other_spaces_do_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cell.txt"
    path.write_text("initial")
    drawing = refused(capsys, "build", path, "--draw", tmp_path / "a")
    assert "no drawing of mobilenetv2" in drawing
    assert "no file format of its own" in refused(capsys, "build", path, "--save", tmp_path / "b")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "cache", path]
