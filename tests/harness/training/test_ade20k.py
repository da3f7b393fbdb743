"""ADE20K's layout: what is read, and what is said of what cannot be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.errors import InputError
from harness.training.folders import ade20k
from tests.harness.training import scenes


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.ade20k(tmp_path_factory.mktemp("ade"), train=6, val=3, size=32)


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return shutil.copytree(written, tmp_path / "ade")


def annotation(folder: Path, part: str = "training", number: int = 1) -> Path:
    short = "train" if part == "training" else "val"
    return folder / "annotations" / part / f"ADE_{short}_{number:08d}.png"


def test_pairs_classes_and_labels(written: Path) -> None:
    found = ade20k.read(written)
    assert (len(found.train), len(found.validation)) == (6, 3)
    assert list(found.classes) == ["ground", *scenes.SHAPES]
    pair = found.train[0]
    assert pair.image.stem == pair.annotation.stem
    labels, values = ade20k.labels(pair), np.asarray(Image.open(pair.annotation))
    assert (labels[values == 0] == ade20k.IGNORED).all()
    assert (labels[values > 0] == values[values > 0] - 1).all()
    assert (values[: scenes.UNLABELLED] == 0).all()
    width, height = ade20k.pixels(pair).size
    assert labels.shape == (height, width)
    facts = found.fingerprint
    assert facts["training"] == 6
    assert facts["validation"] == 3
    assert facts["classes"] == list(found.classes)


def test_without_names_classes_are_numbers(folder: Path) -> None:
    (folder / "objectInfo150.txt").unlink()
    assert list(ade20k.read(folder).classes) == ["1", "2", "3", "4"]


def test_names_may_be_more_than_labels_and_files_hidden(folder: Path) -> None:
    names = folder / "objectInfo150.txt"
    names.write_text(names.read_text() + "5\t0.1\t1\t1\t0\tsky, heaven  \n\n")
    (annotation(folder).parent / "._ADE_train_00000001.png").write_bytes(b"")
    assert ade20k.read(folder).classes[4] == "sky, heaven"


def test_a_palette_is_only_for_show(folder: Path) -> None:
    path = annotation(folder)
    values = np.asarray(Image.open(path))
    shown = Image.fromarray(values, "P")
    shown.putpalette(list(range(256)) * 3)
    shown.save(path)
    pair = ade20k.read(folder).train[0]
    assert (ade20k.labels(pair) == values - np.uint8(1)).all()


def test_the_fingerprint_knows_the_files(folder: Path) -> None:
    before = ade20k.read(folder).fingerprint
    image = folder / "images" / "training" / "ADE_train_00000002.jpg"
    Image.open(image).save(image, quality=20)
    after = ade20k.read(folder).fingerprint
    assert {name for name in before if before[name] != after[name]} == {"files"}


def _relabel(old: int, new: int, *parts: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for part in parts:
            for path in (folder / "annotations" / part).iterdir():
                values = np.array(Image.open(path))
                values[values == old] = new
                Image.fromarray(values).save(path)

    return damage


def _unlabel(folder: Path) -> None:
    for path in (folder / "annotations" / "training").iterdir():
        Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)


def _largest_byte(folder: Path) -> None:
    (folder / "objectInfo150.txt").unlink()
    _relabel(2, 255, "training")(folder)


def _only_one_class(folder: Path) -> None:
    (folder / "objectInfo150.txt").unlink()
    for path in (folder / "annotations").rglob("*.png"):
        Image.fromarray(np.ones_like(np.asarray(Image.open(path)))).save(path)


def _emptied(*place: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for path in folder.joinpath(*place).iterdir():
            path.unlink()

    return damage


def _written(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "objectInfo150.txt").write_text(text)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no layout": (
        lambda f: shutil.rmtree(f / "images"),
        r"no folder .*images/training; ADE20K's layout is .* \(ADEChallengeData2016\)",
    ),
    "no images": (_emptied("images", "validation"), r"images/validation has no image \(.jpg"),
    "no annotation": (
        lambda f: annotation(f).unlink(),
        r"ADE_train_00000001.jpg has no annotation: there is no .*00000001.png; add it",
    ),
    "no image": (
        lambda f: (f / "images/training/ADE_train_00000003.jpg").unlink(),
        r"ADE_train_00000003.png has no image of its name in .*images/training",
    ),
    "other size": (
        lambda f: Image.new("L", (7, 5), 1).save(annotation(f)),
        r"00000001.png has 7 x 5 pixels and its image ADE_train_00000001.jpg 32 x \d+; an",
    ),
    "colours": (
        lambda f: Image.new("RGB", (32, 32)).save(annotation(f)),
        r"00000001.png is an image of mode RGB; .* \(the full ADE20K has colours\)",
    ),
    "damaged annotation": (
        lambda f: annotation(f).write_bytes(annotation(f).read_bytes()[:60]),
        r"cannot read the annotation .*00000001.png: .*; copy it again",
    ),
    "damaged image": (
        lambda f: (f / "images/validation/ADE_val_00000002.jpg").write_bytes(b"none"),
        r"cannot read the image .*ADE_val_00000002.jpg: .*; copy it again",
    ),
    "too large": (
        _relabel(2, 9, "training"),
        r"annotations/training/.*png has label 9, but the last of the 4 classes is 4; 0 means",
    ),
    "255": (
        _largest_byte,
        r"has label 255, but the last of the 254 classes is 254",
    ),
    "never learned": (
        _relabel(3, 1, "training"),
        r"validation/ADE_val_\d+.png has class 3 \(circle\), which no training image has: .* or "
        "label its pixels 0",
    ),
    "nothing labelled": (_unlabel, "no annotation in .*training labels a pixel: all are 0"),
    "one class": (_only_one_class, "has one class; there must be two to tell apart"),
    "names": (
        _written("Idx\tName\n1\tground\n3\tcircle\n"),
        r"objectInfo150.txt: line 3 is '3\\tcircle', not class 2 as number, tab",
    ),
    "no names": (_written("Idx\tName\n"), "names 0 classes; there may be 2 to 254"),
    "names of another file": (
        lambda f: (f / "objectInfo150.txt").write_bytes(b"\xff\xfe\n\xff"),
        "cannot read the list of classes .*objectInfo150.txt",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_cannot_be_learned_from_is_said(folder: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    damage(folder)
    with pytest.raises(InputError, match=message):
        ade20k.read(folder)


def test_an_image_cut_off_is_said_when_it_is_met(folder: Path) -> None:
    image = folder / "images" / "training" / "ADE_train_00000001.jpg"
    image.write_bytes(image.read_bytes()[:700])
    pair = ade20k.read(folder).train[0]
    with pytest.raises(InputError, match=r"cannot read the image .*00000001.jpg: .*; copy it"):
        ade20k.pixels(pair)
