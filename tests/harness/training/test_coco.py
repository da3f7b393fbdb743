"""Reading COCO's layout: what comes out, and what every kind of damage is answered with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from benchmarks.errors import InputError
from harness.training.folders import coco, coco_checks
from tests.harness.training import scenes

TRAIN, VALIDATION = "instances_train2017.json", "instances_val2017.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return scenes.coco(tmp_path / "data", train=6, val=3, size=64)


def change(folder: Path, edit: Callable[[Any], object], name: str = TRAIN) -> None:
    """Change the content of an annotation file."""
    path = folder / "annotations" / name
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def first(content: Any) -> Any:
    return content["annotations"][0]


def test_images_and_instances_are_those_of_the_scenes(folder: Path) -> None:
    found = coco.read(folder)
    drawn = scenes.scenes(6, 64, seed=0)
    assert found.classes == ["rectangle", "circle", "triangle"]
    assert found.categories == [1, 3, 18]
    assert (len(found.train), len(found.validation)) == (6, 3)
    for record, scene in zip(found.train, drawn, strict=True):
        image = np.asarray(coco.pixels(record), int)
        assert image.shape == scene.image.shape
        assert abs(image - scene.image).mean() < 20  # JPEG
        assert [each[0] for each in record["instances"]] == [t.kind + 1 for t in scene.things]
        corners = [(x, y, x + w, y + h) for x, y, w, h in (t.box for t in scene.things)]
        assert [tuple(each[1]) for each in record["instances"]] == corners
        np.testing.assert_array_equal(coco.masks(record), [t.mask for t in scene.things])


def test_the_year_may_be_missing(folder: Path) -> None:
    whole = coco.read(folder).fingerprint
    for part in ("train", "val"):
        (folder / f"{part}2017").rename(folder / part)
        path = folder / "annotations" / f"instances_{part}2017.json"
        path.rename(path.with_name(f"instances_{part}.json"))
    assert coco.read(folder).fingerprint == whole


def test_the_fingerprint_is_plain_and_tells_annotations_apart(folder: Path) -> None:
    before = coco.read(folder).fingerprint
    assert json.loads(json.dumps(before)) == before
    change(folder, lambda c: first(c)["bbox"].__setitem__(2, first(c)["bbox"][2] - 1))
    assert coco.read(folder).fingerprint != before


def test_nothing_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco.read(folder)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_run_lengths_are_the_mask(folder: Path, kind: str) -> None:
    before = [coco.masks(record) for record in coco.read(folder).train]
    change(folder, lambda c: _as_runs(c, kind))
    after = coco.read(folder).train
    for record, expected in zip(after, before, strict=True):
        np.testing.assert_array_equal(coco.masks(record), expected)


def test_compressed_run_lengths_are_read_as_pycocotools_reads_them() -> None:
    generator = np.random.default_rng(0)
    for share in (0.0, 0.02, 0.5, 1.0):
        mask = np.asfortranarray(generator.random((70, 90)) < share, np.uint8)
        flat = mask.ravel(order="F")
        edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
        lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
        assert coco_checks.run_lengths(rle.encode(mask)["counts"].decode()) == lengths


def test_crowds_are_evaluated_but_not_learned(folder: Path) -> None:
    def crowd(content: Any) -> None:
        _as_runs(content, "numbers")
        first(content)["iscrowd"] = 1

    before = coco.read(folder)
    change(folder, crowd)
    change(folder, crowd, VALIDATION)
    after = coco.read(folder)
    assert _learned(after) == _learned(before) - 1
    assert len(after.truth.anns) == len(before.truth.anns)
    assert [a["iscrowd"] for a in after.truth.anns.values()].count(1) == 1
    assert after.fingerprint["train"]["crowds"] == after.fingerprint["validation"]["crowds"] == 1


def test_images_without_instances_are_not_learned_but_evaluated(folder: Path) -> None:
    for name in (TRAIN, VALIDATION):
        change(folder, _without_annotations_of_the_last_image, name)
    found = coco.read(folder)
    assert (len(found.train), len(found.validation)) == (5, 3)
    assert found.fingerprint["train"]["images_left_out"] == 1


def test_a_box_that_overhangs_by_rounding_is_cut(folder: Path) -> None:
    def overhang(content: Any) -> None:
        width = content["images"][0]["width"]
        first(content)["bbox"] = [-0.5, 3.0, width + 1.0, 9.0]

    change(folder, overhang)
    found = coco.read(folder)
    assert found.train[0]["instances"][0][1] == [0.0, 3.0, 64.0, 12.0]
    assert found.fingerprint["train"]["boxes_overhanging"] == 1


def test_few_boxes_without_area_are_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _learned(coco.read(folder))
    change(folder, lambda c: first(c)["bbox"].__setitem__(3, 0))
    monkeypatch.setattr(coco_checks, "FEW", 0.2)
    found = coco.read(folder)
    assert _learned(found) == before - 1
    assert found.fingerprint["train"]["boxes_without_area"] == 1


def test_annotation_0_can_be_matched(folder: Path) -> None:
    change(folder, lambda c: first(c).update(id=0), VALIDATION)
    assert min(coco.read(folder).truth.anns) == 1


FAULTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "no images": (lambda c: c.pop("images"), "lacks 'images', a list of objects"),
    "no annotations key": (lambda c: c.pop("annotations"), "lacks 'annotations'"),
    "no categories": (lambda c: c.pop("categories"), "lacks 'categories'"),
    "no annotation": (lambda c: c["annotations"].clear(), "the list 'annotations' is empty"),
    "numbers as annotations": (lambda c: c.update(annotations=[1]), "a list of objects"),
    "only crowds": (
        lambda c: [a.update(iscrowd=1) for a in c["annotations"]], "no annotations of single",
    ),
    "unknown image": (lambda c: first(c).update(image_id=99), "annotation 1 has the image_id 99"),
    "unknown category": (lambda c: first(c).update(category_id=2), "category_id 2, which the file"),
    "unhashable category": (lambda c: first(c).update(category_id=[]), "category_id [], which"),
    "same annotation": (lambda c: c["annotations"][1].update(id=1), "annotation 1 has the id 1;"),
    "same image": (lambda c: c["images"][1].update(id=1), "two images have the id 1"),
    "same category": (lambda c: c["categories"][1].update(id=1), "two categories have the id 1"),
    "nameless category": (lambda c: c["categories"][1].pop("name"), "category 1 needs an id"),
    "image without file": (
        lambda c: c["images"][2].update(file_name="gone.jpg"), "names the image gone.jpg, which",
    ),
    "image elsewhere": (
        lambda c: c["images"][2].update(file_name="../val2017/000000000001.jpg"), "is not in",
    ),
    "image without size": (lambda c: c["images"][2].pop("height"), "height and width (None, 64)"),
    "another size": (
        lambda c: c["images"][1].update(height=640), "is 64 x 64 px, and 64 x 640 by its",
    ),
    "box outside": (
        lambda c: first(c).update(bbox=[60, 3, 10, 9]),
        "annotation 1 of image 000000000001.jpg: the box [60, 3, 10, 9] lies 6 px outside of the "
        "image of 64 x 48 px",
    ),
    "box before": (lambda c: first(c).update(bbox=[-5, 3, 10, 9]), "lies 5 px outside"),
    "negative side": (lambda c: first(c).update(bbox=[9, 9, -4, 9]), "has a negative side"),
    "no area": (
        lambda c: first(c).update(bbox=[9, 9, 0, 9]),
        "annotation 1 of image 000000000001.jpg: the box [9, 9, 0, 9] has no area, in the image of "
        "64 x 48 px",
    ),
    "no number": (lambda c: first(c).update(bbox=[9, 9, float("nan"), 9]), "is not four numbers"),
    "three numbers": (lambda c: first(c).update(bbox=[9, 9, 9]), "is not four numbers"),
    "enormous number": (lambda c: first(c).update(bbox=[9, 9, 10**400, 9]), "is not four numbers"),
    "no mask": (lambda c: first(c).pop("segmentation"), "there is no segmentation"),
    "two points": (lambda c: first(c).update(segmentation=[[1, 1, 5, 5]]), "three points or more"),
    "far point": (
        lambda c: first(c).update(segmentation=[[1, 1, 5, 5, 1, 1e8]]), "far outside of 64 x 48 px",
    ),
    "iscrowd": (lambda c: first(c).update(iscrowd="no"), "an iscrowd that is not 0 or 1"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_file_and_place(folder: Path, fault: str) -> None:
    edit, said = FAULTS[fault]
    change(folder, edit)
    with pytest.raises(InputError, match=re.escape(said)) as raised:
        coco.read(folder)
    assert str(folder) in str(raised.value)


# Some of these make pycocotools 2.0.11 write beyond its memory.
@pytest.mark.parametrize(
    "counts",
    ["garbage", "", "0" * 50, "PPPPPPP", "zzzzzzzz", "\x80\xff", "o", [5, 5], [100, 9999],
     [-3, 3075], ["a"], [[3072]], 7, None],
)  # fmt: skip
def test_damaged_run_lengths_are_refused(folder: Path, counts: object) -> None:
    segmentation = {"size": [48, 64], "counts": counts}
    change(folder, lambda c: first(c).update(segmentation=segmentation))
    with pytest.raises(InputError, match=r"annotation 1 of image .* the run lengths are damaged"):
        coco.read(folder)


def test_run_lengths_of_another_size_are_refused(folder: Path) -> None:
    segmentation = {"size": [64, 48], "counts": [48 * 64]}
    change(folder, lambda c: first(c).update(segmentation=segmentation))
    with pytest.raises(InputError, match="not of 64 x 48 px"):
        coco.read(folder)


def test_files_that_are_no_json_are_refused(folder: Path) -> None:
    path = folder / "annotations" / TRAIN
    for content in (b'{"images": [', b"\xff\xfe\x00", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{TRAIN} is no JSON"):
            coco.read(folder)
    path.write_text("[]")
    with pytest.raises(InputError, match="its JSON is no object"):
        coco.read(folder)


def test_files_that_are_too_large_are_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coco_checks, "LARGEST", 1000)
    with pytest.raises(InputError, match="more than 1000; split the data set"):
        coco.read(folder)


def test_missing_folders_and_files_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="is no folder; COCO's layout is"):
        coco.read(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty is empty; COCO's layout is"):
        coco.read(tmp_path / "empty")
    (folder / "val2017").rename(folder / "other")
    (folder / "annotations" / VALIDATION).unlink()
    with pytest.raises(InputError, match=r"lacks .*instances_val2017.json, .*val2017/; COCO's"):
        coco.read(folder)


def test_classes_without_training_instances_are_named(folder: Path) -> None:
    def no_circles(content: Any) -> None:
        content["annotations"] = [a for a in content["annotations"] if a["category_id"] != 3]

    change(folder, no_circles)
    with pytest.raises(InputError, match="instances of 'circle', of which there is none in train"):
        coco.read(folder)
    change(folder, no_circles, VALIDATION)
    assert coco.read(folder).classes[1] == "circle"  # a class that neither part shows


def test_parts_with_different_classes_are_refused(folder: Path) -> None:
    change(folder, lambda c: c["categories"][1].update(name="disc"), VALIDATION)
    with pytest.raises(InputError, match="only one of them has 'circle' with id 3"):
        coco.read(folder)


def test_damaged_images_are_named(folder: Path) -> None:
    path = folder / "train2017" / "000000000002.jpg"
    whole = path.read_bytes()
    path.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"cannot read the image .*000000000002.jpg"):
        coco.read(folder)
    path.write_bytes(whole[: len(whole) // 2])  # seen only when the pixels are read
    record = coco.read(folder).train[1]
    with pytest.raises(InputError, match=r"cannot read the image .*000000000002.jpg"):
        coco.pixels(record)


def test_grey_images_become_rgb(folder: Path) -> None:
    path = folder / "train2017" / "000000000002.jpg"
    Image.open(path).convert("L").save(path)
    assert coco.pixels(coco.read(folder).train[1]).mode == "RGB"


def _learned(found: coco.Coco) -> int:
    return sum(len(record["instances"]) for record in found.train)


def _as_runs(content: Any, kind: str) -> None:
    """Polygons become run lengths: compressed text, or numbers as COCO's crowds have them."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for annotation in content["annotations"]:
        size = sizes[annotation["image_id"]]
        encoded = dict(rle.merge(rle.frPyObjects(annotation["segmentation"], *size)))
        text = encoded["counts"].decode()
        counts = text if kind == "text" else coco_checks.run_lengths(text)
        annotation["segmentation"] = {"size": list(size), "counts": counts}


def _without_annotations_of_the_last_image(content: Any) -> None:
    last = content["images"][-1]["id"]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != last]
