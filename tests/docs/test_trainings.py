"""Tables of the training pages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

from _ext import trainings
from benchmarks import BENCHMARKS
from harness.training.recipe import protocol


def test_settings_are_those_of_the_files() -> None:
    chosen = [protocol.protocol(f"uninas_{task}") for task in ("classification", "detection")]
    heading, *body = trainings.settings(chosen)
    assert heading == ["", "`uninas_classification`", "`uninas_detection`"]
    rows = {name: values for name, *values in body}
    assert rows["epochs"] == ["150", "12"]
    assert rows["resolution"] == ["224 × 224", "1280 × 800"]
    assert rows["rate: peak"] == ["1e-4", "2.5e-5"]
    assert rows["rate: milestones"] == ["", "8, 11"]
    assert rows["optimiser: weight decay"] == ["0.05", "0.05"]
    # What does nothing is left out: momentum of AdamW, the augmentation that no one has.
    assert not {"optimiser: momentum", "augmentation: mixup", "ema"} & set(rows)


def test_hours_follow_from_flops_and_from_speed() -> None:
    table = BENCHMARKS["uninas"].trained["uninas"]
    imagenet, coco, _ = table.groups
    # 150 epochs x 1,281,167 images x 3 x 9.03 GFLOPs / (8 x 20 TFLOP/s), in hours.
    assert trainings.by_flops(imagenet, 9.03e9) == pytest.approx(9.04, abs=0.01)
    assert trainings.by_speed(coco, 102.8) == pytest.approx(3 * 12 * 117266 / 8 / 102.8 / 3600)
    heading, *body = trainings.hours(table, "uninas")
    assert heading[1] == "ImageNet, 150 epochs"
    rows = {model: values for model, *values in body}
    assert rows["resnet"][0] == "9.0"
    assert rows["vit"][1:] == ["-"] * 4  # nothing published: it cannot be trained there


def test_more_architectures_decide_more() -> None:
    _, *body = trainings.decided()
    widths = [float(row[1].removeprefix("± ")) for row in body]
    assert widths == sorted(widths, reverse=True)
    assert all(float(row[3].removeprefix("± ")) >= float(row[1].removeprefix("± ")) for row in body)
