"""What was trained here, beside what a paper reports."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from harness.pipelines import trained
from harness.report import trained as report
from harness.report import training
from harness.results import TrainedComparison, load
from harness.training.recipe.protocol import names
from tests.harness.trainings import made

#: An architecture that no table has.
OTHER = "32-64:64-128-384-512:RR/RRR/RRRRR/RE"


def kept(folder: Path, **of: Any) -> None:
    training.save(made(**of), folder)


def compared(folder: Path, name: str = "uninas") -> TrainedComparison:
    return TrainedComparison.showing(trained.compare(name, [folder]))


def ours(result: TrainedComparison, model: str, column: str) -> str:
    """The shown text of our figure."""
    for group in result.groups:
        heading, *body = result.cells(group)
        titles = [c.name for c in result.published.of(group)]
        if column in titles:
            place = 1 + sum(
                1 + bool(c.kind) for c in result.published.of(group)[: titles.index(column)]
            )
            assert heading[place + 1] == "ours"
            return next(row[place + 1] for row in body if row[0] == model)
    raise AssertionError(column)


def notes(result: TrainedComparison, model: str, column: str) -> str:
    numbers = ours(result, model, column).replace("]", "").split("[")[1:]
    return "; ".join(result.notes[int(number) - 1] for number in numbers)


def test_nothing_trained_is_empty_and_sizes_are_computed(tmp_path: Path) -> None:
    result = compared(tmp_path)
    assert ours(result, "resnet", "imagenet_top1_percent") == ""
    assert ours(result, "uninas_a", "params_millions") == ""  # its architecture is not known
    assert [ours(result, "resnet", f"{d}_flops_g") for d in ("imagenet", "coco", "ade20k")] == [
        "9.03", "184", "47",
    ]  # fmt: skip
    assert not result.notes
    assert result.table["seeds"].sum() == 0


def test_a_training_by_the_papers_protocol_stands_unmarked(tmp_path: Path) -> None:
    kept(tmp_path / "a", value=75.5)
    kept(tmp_path / "b", task="detection", architecture="coatnet", value=41.0)
    result = compared(tmp_path)
    assert ours(result, "resnet", "imagenet_top1_percent") == "75.50"
    assert ours(result, "coatnet", "coco_ap_box") == "41.0"
    assert notes(result, "coatnet", "coco_fps").startswith("images a second on CPU, 2 threads")
    assert ours(result, "resnet", "coco_ap_box") == ""


@pytest.mark.parametrize(
    ("of", "words"),
    [
        ({"epochs": 3}, "3 epochs, not 150"),
        ({"epochs": 150, "done": 40}, "stopped after 40 of 150 epochs"),
        ({"resolution": (64, 64)}, "resolution 64 x 64, not 224 x 224"),
        ({"batch_per_gpu": 8}, "batch per gpu 8, not 48"),
        ({"label_smoothing": 0.1}, "label smoothing 0.1, not 0.0"),
        ({"data": (10, 1281167)}, "10 classes, not 1000 of ImageNet"),
        ({"data": (1000, 50_000)}, "50,000 training images, not 1,281,167 of ImageNet"),
    ],
)
def test_another_protocol_is_marked(of: dict[str, Any], words: str, tmp_path: Path) -> None:
    kept(tmp_path, **of)
    assert notes(compared(tmp_path), "resnet", "imagenet_top1_percent") == (
        f"not the paper's training: {words}"
    )


def test_settings_within_groups_and_other_protocols_are_marked(tmp_path: Path) -> None:
    result = made()
    recipe = dict(result.facts["identity"]["protocol"])
    for number, changed in enumerate(
        [recipe | {"rate": {**recipe["rate"], "peak": 1e-3}}, recipe | {"name": "another"}]
    ):
        identity = {**result.facts["identity"], "protocol": changed}
        facts = {**result.facts, "identity": identity}
        training.save(dataclasses.replace(result, facts=facts), tmp_path / str(number))
    words = [notes(compared(tmp_path / str(n)), "resnet", "imagenet_top1_percent") for n in (0, 1)]
    assert words[0].endswith("rate peak 0.001, not 0.0001")
    assert words[1].endswith("protocol another, not uninas_classification")


def test_other_weights_and_unknown_counts_are_marked(tmp_path: Path) -> None:
    result = made()
    identity = {**result.facts["identity"], "weights": "weights.pt"}
    facts = {k: v for k, v in result.facts.items() if k != "images"} | {"identity": identity}
    training.save(dataclasses.replace(result, facts=facts), tmp_path)
    said = notes(compared(tmp_path), "resnet", "imagenet_top1_percent")
    assert "the number of training images is not known" in said
    assert "begun with the weights weights.pt" in said


def test_the_number_of_gpus_and_of_the_image_size_of_a_file_do_not_matter(tmp_path: Path) -> None:
    resnet = BENCHMARKS["uninas"].space.parse("resnet").id
    kept(tmp_path, architecture=f"{resnet}:px=64:classes=10", value=75.0)
    assert ours(compared(tmp_path), "resnet", "imagenet_top1_percent") == "75.00"


def test_seeds_are_averaged_and_the_nearest_protocol_is_shown(tmp_path: Path) -> None:
    for seed, value in enumerate((75.0, 76.0)):
        kept(tmp_path / f"full{seed}", value=value, seed=seed)
    kept(tmp_path / "short", value=99.0, epochs=200)
    result = compared(tmp_path)
    assert ours(result, "resnet", "imagenet_top1_percent").startswith("75.50 ± 0.71 [")
    said = notes(result, "resnet", "imagenet_top1_percent")
    assert "mean of 2 seeds" in said
    assert "1 other trainings of classification are not shown" in said
    assert "not the paper's" not in said


def test_models_are_found_by_architecture_then_by_name(tmp_path: Path) -> None:
    kept(tmp_path / "a", architecture=OTHER, name="uninas_a", value=80.0)
    kept(tmp_path / "b", architecture="start", name="resnet", value=60.0)
    kept(tmp_path / "c", architecture="example", task="detection", value=33.0)
    kept(tmp_path / "d", architecture="efficientnet", name="mine", value=70.0)
    result = compared(tmp_path)
    assert ours(result, "uninas_a", "imagenet_top1_percent").startswith("80.00 [")
    assert "named so by --name" in notes(result, "uninas_a", "imagenet_top1_percent")
    assert float(ours(result, "uninas_a", "params_millions")) > 20
    # A known name of another architecture is a row of its own.
    assert ours(result, "resnet", "imagenet_top1_percent") == ""
    assert ours(result, "resnet (2)", "imagenet_top1_percent") == "60.00"
    assert ours(result, "efficientnet", "imagenet_top1_percent") == "70.00"
    models = [row[0] for row in result.cells("COCO")]
    assert len(models) == 1 + 5 + 1  # the unnamed one, by its id
    assert models[-1].startswith("32-64:")
    assert "resnet (2)" not in models


def test_two_architectures_of_one_name_are_refused(tmp_path: Path) -> None:
    kept(tmp_path / "a", architecture=OTHER, name="uninas_a")
    kept(tmp_path / "b", architecture="start", name="uninas_a")
    with pytest.raises(InputError, match="name of another architecture"):
        compared(tmp_path)


def test_other_results_and_spaces_are_left_alone(tmp_path: Path) -> None:
    kept(tmp_path / "a")
    compared(tmp_path).write(tmp_path / "table")  # a result of another kind
    assert compared(tmp_path, "mobilenetv2").facts["trainings"] == []
    assert len(compared(tmp_path).facts["trainings"]) == 1
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "result.json").write_text("{")
    with pytest.raises(InputError, match=r"b/result.json is no description of results"):
        compared(tmp_path)


def test_a_folder_gives_the_same_table_again(tmp_path: Path) -> None:
    kept(tmp_path / "a", epochs=2, name="a|b", architecture=OTHER)
    kept(tmp_path / "b", value=math.nan)
    result = compared(tmp_path)
    result.write(tmp_path / "table")
    again = load(tmp_path / "table")
    assert isinstance(again, TrainedComparison)
    assert (report.page(again), report.latex(again)) == (report.page(result), report.latex(result))
    page, latex = report.page(result), report.latex(result)
    assert "not the paper's training: 2 epochs" in page
    assert "a\\|b" in page
    assert latex.count("{") == latex.count("}")
    body = [line for line in latex.splitlines() if line.endswith(r"\\") and "multi" not in line]
    assert {line.count("&") for line in body} == {10}
    assert ours(result, "resnet", "imagenet_top1_percent") == "-"  # trained, and no number


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unina", "did you mean uninas"),
        ("nasbench201", "no table of trained models is called so"),
        ("uninas/coco", "there is no table 'coco' of trained models of uninas"),
    ],
)
def test_unknown_tables(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        trained.compare(name, [])
    with pytest.raises(InputError, match="there is no folder"):
        trained.compare("uninas", [Path("nowhere")])


def test_names_and_protocols_of_all_tables_are_there() -> None:
    assert trained.names() == ["mobilenetv2", "uninas"]
    assert trained.table("mbv2")[1] is trained.table("mobilenetv2/imagenet")[1]
    groups = [group for name in trained.names() for group in trained.table(name)[1].groups]
    assert {group.protocol for group in groups} <= set(names())
