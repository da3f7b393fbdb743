"""`harness build`: what it reads, says and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.mobilenetv2.architecture import KNOWN
from harness.inspect import describe as descriptions
from harness.inspect import network as building
from tests.benchmarks.mobilenetv2.walks import SMALL
from tests.harness.cli.test_app import refused, run

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


@pytest.fixture(autouse=True)
def in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def file_of(content: str | dict[str, Any], name: str = "architecture.txt") -> Path:
    path = Path(name)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def built(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert run("build", *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


# ------------------------------------------------------------------ figures


def test_a_public_structure_string(capsys: pytest.CaptureFixture[str]) -> None:
    figures = built(capsys, file_of(f"# ZiCo, 450M\n{KNOWN['zico-450M'].id}\n"))
    assert (figures["space"], figures["dataset"]) == ("mobilenetv2", "imagenet")
    assert figures["search_flops"] == 438_385_944
    assert figures["search_size"] == 5_716_393
    assert figures["layers"] == 14
    assert figures["params"] == 5_741_264
    assert figures["flops"] == 438_641_352
    assert figures["se_params"] == 7_526_376


@pytest.mark.parametrize("text", [CELL, "13714"])
def test_a_cell(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    figures = built(capsys, file_of(text), "--dataset", "cifar100")
    assert (figures["space"], figures["dataset"]) == ("nasbench201", "cifar100")
    assert figures["classes"] == 100
    if text == "13714":
        assert figures["params"] == 1_079_316
        assert figures["layers"] == 246


def test_a_winner_of_a_search(capsys: pytest.CaptureFixture[str]) -> None:
    winner = {"space": "mbv2", "dataset": "imagenet-32-10", "architecture": SMALL.id, "score": 1.5}
    plain = built(capsys, file_of(winner))
    assert (plain["space"], plain["resolution"], plain["se"]) == ("mobilenetv2", 32, False)
    with_se = built(capsys, file_of(winner | {"se": True}))
    assert with_se == plain | {"se": True}
    assert built(capsys, file_of(winner), "--dataset", "imagenet-64-10")["resolution"] == 64


def test_figures_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", file_of("0"), "--summary") == 0
    said = capsys.readouterr().out
    assert "params: " in said
    for words in ("stem", "blocks.16", "64 x 8 x 8", "classifier", "MACs"):
        assert words in said


@pytest.mark.parametrize("se", [False, True], ids=["plain", "se"])
def test_summary_adds_up(se: bool) -> None:
    content = {"space": "mobilenetv2", "dataset": "imagenet", "architecture": "initial", "se": se}
    described = descriptions.read(file_of(content))
    rows = building.summary(building.network_of(described), 224)
    figures = building.figures(described, building.network_of(described))
    assert sum(row.params for row in rows) == figures["se_params" if se else "params"]
    assert sum(row.macs for row in rows) == figures["se_flops" if se else "flops"]
    assert (rows[1].name, rows[1].kind, rows[1].shape) == (
        "blocks.1", "SuperResIDWE6K3", (32, 56, 56),
    )  # fmt: skip


def test_counting_leaves_no_hook() -> None:
    network = building.network_of(descriptions.read(file_of(SMALL.id)))
    building.summary(network, 32)
    assert not any(module._forward_hooks for module in network.modules())


# ------------------------------------------------------------------ export


def small_with_se() -> Path:
    content = {"space": "mobilenetv2", "dataset": "imagenet-32-10", "architecture": SMALL.id}
    return file_of(content | {"se": True})


def network_and_images() -> tuple[torch.nn.Module, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(3, 3, 32, 32, generator=generator)
    return building.network_of(descriptions.read(small_with_se()), 7), images


def test_a_pt2_file_gives_the_same_logits() -> None:
    state = torch.get_rng_state()
    assert run("build", small_with_se(), "--export", "model.pt2", "--seed", 7) == 0
    assert torch.get_rng_state().equal(state)
    network, images = network_and_images()
    loaded = torch.export.load("model.pt2").module()
    torch.testing.assert_close(loaded(images), network(images))
    torch.testing.assert_close(loaded(images[:1]), network(images[:1]))


def test_an_onnx_file_gives_the_same_logits() -> None:
    onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
    pytest.importorskip("onnxscript", reason="the extra [onnx] is not installed")
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - an extra

    assert run("build", small_with_se(), "--export", "model.onnx", "--seed", 7) == 0
    model = onnx.load("model.onnx")
    onnx.checker.check_model(model)
    network, images = network_and_images()
    name = model.graph.input[0].name
    (logits,) = ReferenceEvaluator(model).run(None, {name: images.numpy()})
    np.testing.assert_allclose(np.asarray(logits), network(images).detach(), rtol=1e-3, atol=1e-4)


def test_onnx_without_its_packages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = refused(capsys, "build", file_of("0"), "--export", "model.onnx")
    assert "without onnx and onnxscript" in message
    assert "[onnx]" in message
    assert not Path("model.onnx").exists()


def test_unknown_export(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "build", file_of("0"), "--export", "model.pth")
    assert "must end in .pt2 or .onnx" in message


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["it is empty"]),
        ("resnet50", ["no architecture of any of", "mobilenetv2", "--space"]),
        ("SuperConvK3BNRELU(3,8,2,1)SuperX(8,8,1,1)", ["position 26", "block type 'SuperX'"]),
        ("|nor_conv_3x3~0|", ["malformed NAS-Bench-201"]),
        ("99999", ["index 99999 is not in"]),
        ({"architecture": "0"}, ["no field 'space'"]),
        ({"space": "nasbench201"}, ["no field 'architecture'"]),
        ({"space": "nasbench203", "architecture": "0"}, ["unknown benchmark 'nasbench203'"]),
        ({"space": 1, "architecture": "0"}, ["the field 'space' is 1, not a str"]),
        ({"space": "nasbench201", "architecture": "0", "se": 1}, ["'se' is 1, not a bool"]),
        ({"space": "nasbench201", "architecture": "0", "se": True}, ["no squeeze"]),
        (
            {"space": "mobilenetv2", "architecture": "initial", "dataset": "imagenet-50"},
            ["'imagenet-50'", "multiple of 32"],
        ),
        ('{"a": 1}', ["no UniNAS model", "unknown field 'a'"]),
        ("[1]", ["no architecture of any of"]),
    ],
)
def test_refused(
    content: str | dict[str, Any], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, "build", file_of(content))
    assert "architecture.txt: " in message
    for word in words:
        assert word in message


def test_named_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    assert built(capsys, file_of(CELL), "--space", "nb201")["space"] == "nasbench201"
    message = refused(capsys, "build", file_of(CELL), "--space", "mobilenetv2")
    assert "malformed MobileNetV2 structure at position 0" in message
    winner = {"space": "nasbench201", "architecture": "0"}
    message = refused(capsys, "build", file_of(winner), "--space", "mobilenetv2")
    assert "of nasbench201, not of mobilenetv2" in message
    assert built(capsys, file_of(winner), "--space", "nats-tss")["space"] == "nasbench201"


def test_a_file_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.txt" in refused(capsys, "build", "nowhere.txt")
    Path("binary").write_bytes(b"\xff\xfe\x00")
    assert "binary" in refused(capsys, "build", "binary")


# ------------------------------------------------------------------ the space elsewhere


def test_the_space_without_accuracies(capsys: pytest.CaptureFixture[str]) -> None:
    listed = file_of(f"{SMALL.id}\nzico-450M\n", "archs.txt")
    common = ("--benchmark", "mobilenetv2", "--dataset", "imagenet-32-10")
    options = ("--archs", listed, "--device", "cpu", "--workers", 1, "--batch-size", 2)
    assert run("score", "params", "vkdnw", "az_nas", *common, *options) == 0
    assert run("export", "scores.csv", *common) == 0
    message = refused(capsys, "eval", "params", *common)
    assert "mobilenetv2 has no accuracies" in message
