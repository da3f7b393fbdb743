"""Labelled images in each layout, and what is refused."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from benchmarks import inputs
from benchmarks.errors import InputError
from harness.training.folders.images import ArrayImages, LabelledImages, read


@pytest.fixture(autouse=True)
def _nothing_loaded() -> None:
    inputs._load.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "images"
    made.mkdir()
    return made


def put(root: Path, names: Sequence[str], side: int = 8) -> Path:
    """Images of a colour of their own."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (side, side + 2), (number, 255 - number, 7)).save(path)
    return root


def labels(part: object) -> list[int]:
    assert hasattr(part, "__len__")
    assert hasattr(part, "__getitem__")
    return [part[i][1] for i in range(len(part))]


NESTED = (
    "n02/n02_1.JPEG", "n02/sub/n02_0.jpg", "n01/b.png", "n01/a.JPEG", "n01/deep/er/c.bmp",
)  # fmt: skip


def test_a_folder_with_train_and_val_is_read_as_torchvision_does(folder: Path) -> None:
    put(folder / "train", NESTED)
    put(folder / "val", ["n01/x.png", "n02/y.png"])
    (folder / "train/n01/notes.txt").write_text("no image")
    found = read(folder)
    for part, name in ((found.train, "train"), (found.validation, "val")):
        official = ImageFolder(folder / name)
        assert found.classes == tuple(official.classes)
        items = [part[i] for i in range(len(part))]
        theirs = [official[i] for i in range(len(official))]
        key = lambda item: (item[1], item[0].tobytes())  # noqa: E731 - torchvision sorts folder-wise
        assert sorted(map(key, items)) == sorted(map(key, theirs))
    assert found.resolution is None
    assert found.mean == pytest.approx((0.485, 0.456, 0.406))
    assert found.fingerprint["train"] == 5
    assert found.fingerprint["classes"] == ["n01", "n02"]


def test_hidden_files_and_circles_of_links_are_left_out(folder: Path) -> None:
    put(folder, ["a/1.png", "a/2.png", "b/1.png", "b/2.png"])
    (folder / "a/._1.png").write_bytes(b"resource fork")
    (folder / ".cache").mkdir()
    (folder / "a/again").symlink_to(folder / "a")
    found = read(folder, share=0.5)
    assert (len(found.train), len(found.validation)) == (2, 2)


def names(part: object) -> list[str]:
    return list(part.names)  # type: ignore[attr-defined]


def test_a_share_of_each_class_is_held_out_by_seed(folder: Path) -> None:
    put(folder, [f"{c}/{i}.png" for c, n in (("a", 12), ("b", 5), ("c", 2)) for i in range(n)])
    found = read(folder, share=0.25, seed=1)
    assert Counter(labels(found.validation)) == {0: 3, 1: 1, 2: 1}
    assert Counter(labels(found.train)) == {0: 9, 1: 4, 2: 1}
    assert not set(names(found.train)) & set(names(found.validation))
    again, other = read(folder, seed=1), read(folder, seed=2)
    assert names(again.validation) == names(found.validation)
    assert again.fingerprint == found.fingerprint
    assert names(other.validation) != names(found.validation)
    assert other.fingerprint != found.fingerprint
    only_train = put(folder.parent / "more", [f"train/{c}/{i}.png" for c in "ab" for i in range(4)])
    assert len(read(only_train).validation) == 2


def test_the_fingerprint_changes_with_names_but_a_file_may_be_replaced(folder: Path) -> None:
    put(folder, [f"{c}/{i}.png" for c in "ab" for i in range(3)])
    before = read(folder).fingerprint
    (folder / "a/0.png").rename(folder / "a/00.png")
    renamed = read(folder).fingerprint
    Image.new("RGB", (90, 90)).save(folder / "b/1.png")
    replaced = read(folder).fingerprint
    assert before["sha256"] != renamed["sha256"] == replaced["sha256"]


def test_an_unreadable_image_is_named_when_it_is_met(folder: Path) -> None:
    put(folder / "train", ["a/1.png", "a/2.png", "b/1.png", "b/2.png"], side=64)
    put(folder / "val", ["a/1.png", "b/1.png"])
    (folder / "train/a/1.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    whole = (folder / "train/b/1.png").read_bytes()
    (folder / "train/b/1.png").write_bytes(whole[: len(whole) // 2])
    found = read(folder)
    for index, name in enumerate("ab"):
        with pytest.raises(
            InputError, match=rf"train/{name}/1\.png is no readable image: .*replace"
        ):
            found.train[2 * index]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "is empty; put"),
        (["x.png"], "has 1 images and no class folders; sort them"),
        (["notes.txt"], "has no class folders"),
        (["a/1.png", "a/2.png"], "has one class alone, a; there must be two"),
        (["a/1.png", "b/1.txt"], r"b has no image \(\.jpg"),
        (["a/1.png", "a/2.png", "b/1.png"], "b has one image, of which none can be held out"),
        (["train/a/1.png", "train/b/1.png", "val/1.png"], "val has 1 images and no class folders"),
        (["train/a/1.png", "train/b/1.png", "valid/a/1.png"], "rename valid/ to val/"),
        (["val/a/1.png", "val/b/1.png"], "has val/ and no train/"),
        (
            [f"{p}/1.png" for p in ("train/a", "train/b", "val/a", "val/b", "val/c")],
            "train lacks classes that .*val has: c",
        ),
        (
            [f"{p}/1.png" for p in ("train/a", "train/b", "train/c", "val/a", "val/b")],
            "val lacks classes that .*train has: c",
        ),
    ],
)
def test_folders_that_cannot_be_learned_from(folder: Path, files: list[str], message: str) -> None:
    put(folder, [name for name in files if name.endswith(".png")])
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with pytest.raises(InputError, match=message):
        read(folder)


def test_what_is_not_there(folder: Path) -> None:
    (folder / "imagenet").mkdir()
    with pytest.raises(InputError, match=r"no folder or file .*imagnet \(did you mean imagenet"):
        read(folder / "imagnet")
    with pytest.raises(InputError, match=r"cifar_10 \(did you mean cifar10"):
        read("cifar_10")
    with pytest.raises(InputError, match="there are no cifar10 images on this machine"):
        read("cifar10")
    with pytest.raises(InputError, match="a share of 1 "):
        read(folder, share=1)
    (folder / "images.zip").touch()
    with pytest.raises(InputError, match=r"images\.zip is neither a folder"):
        read(folder / "images.zip")


def pixels(count: int, side: int = 8) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_arrays(folder: Path) -> None:
    images, target = pixels(20), np.arange(20) % 4
    np.savez(folder / "mine.npz", images=images, labels=target)
    found = read(folder / "mine.npz", 8, share=0.2)
    assert (found.resolution, found.classes) == (8, ("0", "1", "2", "3"))
    assert Counter(labels(found.validation)) == dict.fromkeys(range(4), 1)
    rows = {image.tobytes(): label for image, label in zip(images, target, strict=True)}
    seen = [
        item
        for part in (found.train, found.validation)
        for item in map(part.__getitem__, range(len(part)))
    ]
    assert {image.tobytes(): label for image, label in seen} == rows
    np.savez(folder / "mine.npz", images=images[::-1], labels=target)
    assert read(folder / "mine.npz").fingerprint["sha256"] != found.fingerprint["sha256"]
    with pytest.raises(InputError, match=r"mine\.npz: images of 8 pixels.*use --resolution 8"):
        read(folder / "mine.npz", 16)


_ODD = np.zeros((4, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": pixels(4)}, "does not hold uint8 images and as many labels"),
        ({"images": pixels(4), "labels": np.arange(3)}, "as many labels"),
        ({"images": pixels(4), "labels": np.array([1, 2, 1, 2])}, "labels 1 .. 2 of 2 classes"),
        ({"images": pixels(4), "labels": np.array([0, 0, 9, 9])}, "labels 0 .. 9 of 2 classes"),
        ({"images": pixels(4), "labels": np.array([-1, 0, -1, 0])}, "labels -1 .. 0"),
        ({"images": pixels(4), "labels": np.zeros(4, int)}, "1 classes; there must be two"),
        ({"images": pixels(0), "labels": np.zeros(0, int)}, "0 classes; there must be two"),
        ({"images": pixels(4), "labels": np.array([0, 0, 0, 1])}, "class 1 has one image"),
        ({"images": _ODD.transpose(0, 3, 1, 2), "labels": np.array([0, 1] * 2)}, r"not \(N, R"),
        ({"images": pixels(4), "labels": np.array(["a", {}], object)}, "no readable .npz"),
    ],
)
def test_arrays_that_cannot_be_learned_from(
    folder: Path, arrays: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
    message: str,
) -> None:  # fmt: skip
    np.savez(folder / "mine.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        read(folder / "mine.npz")


def test_an_archive_that_claims_too_much_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(folder / "bomb.npz", images=np.zeros((200, 64, 64, 3), np.uint8))
    monkeypatch.setattr(inputs, "_LARGEST", 10**6)
    with pytest.raises(InputError, match=r"holds 2,4\d\d,\d\d\d bytes, more than the 1,000,000"):
        read(folder / "bomb.npz")


def _cifar10(path: Path) -> None:
    """An archive as the real one, with few images."""
    with tarfile.open(path, "w:gz") as archive:
        for stem, values in (("data_batch_1", [0, 1, 1]), ("test_batch", [1, 0])):
            batch = {
                b"data": np.full((len(values), 3072), len(stem), np.uint8),
                b"labels": values,
            }
            content = pickle.dumps(batch, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{stem}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_the_test_images_of_the_real_set_are_for_validation(cache: Path) -> None:
    _cifar10(cache / "cifar-10-python.tar.gz")
    found: LabelledImages = read("cifar10")
    assert (labels(found.train), labels(found.validation)) == ([0, 1, 1], [1, 0])
    assert isinstance(found.validation, ArrayImages)
    assert found.validation[0][0].shape == (32, 32, 3)
    assert (found.validation[0][0] == len("test_batch")).all()
    assert found.mean == pytest.approx((0.491, 0.482, 0.447), abs=1e-3)
    assert "held_out" not in found.fingerprint


def test_real_images_of_a_set_are_parted(real_data: Path) -> None:
    found = read("cifar10")
    assert (len(found.train), len(found.validation), found.resolution) == (1538, 510, 32)
    assert set(Counter(labels(found.validation)).values()) <= set(range(46, 57))
    with pytest.raises(InputError, match="class 0 has one image"):
        read("ImageNet16-120")
