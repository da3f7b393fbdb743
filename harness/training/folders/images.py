"""Labelled images: a folder of class folders, an .npz file, or a set that the harness knows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import inputs
from benchmarks.errors import InputError
from benchmarks.registry import near
from benchmarks.types import derive_seed
from harness.training.types import Samples

#: Endings of image files, those of torchvision's ImageFolder.
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
#: What others call the folder of validation images.
_OTHER_NAMES = ("valid", "validation", "test")
_SHOWN = 5

Triple = tuple[float, float, float]

#: Statistics of ImageNet by which files and arrays are normalised.
MEAN: Triple = (0.485, 0.456, 0.406)
DEVIATION: Triple = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class LabelledImages:
    """Images in classes. Items are (image, label): a PIL image in RGB, or uint8 (R, R, 3).

    Attributes:
        train: To learn from.
        validation: To judge on.
        classes: Their names, in the order of their labels.
        resolution: Side of arrays in pixels; None: files, of any size.
        fingerprint: Identifies the images: counts, classes, and a hash of the files' names, so that
            a damaged one can be replaced, or of the arrays.
        mean: Channel means for the normalisation, of values in 0..1.
        deviation: Channel deviations.
    """

    train: Samples
    validation: Samples
    classes: Sequence[str]
    resolution: int | None
    fingerprint: Mapping[str, Any]
    mean: Triple = MEAN
    deviation: Triple = DEVIATION


def read(
    data: str | Path, resolution: int | None = None, *, share: float = 0.25, seed: int = 0
) -> LabelledImages:
    """The labelled images that a path or a name stands for.

    Args:
        data: A folder with `train/CLASS/...` and `val/CLASS/...`, as torchvision's ImageFolder
            reads them; a folder of class folders; an .npz file of uint8 images (N, R, R, 3) and
            labels 0 .. C - 1; or, where there is no such path, the name of an image set of
            `benchmarks.inputs`. Hidden files and folders are left out.
        resolution: Side that arrays must have; None: any.
        share: Held out of each class for validation, where the data does not say which.
        seed: Which images these are.

    Raises:
        InputError: There is no such path or name, or what is there cannot be learned from.
    """
    if not 0 < share < 1:
        raise InputError(f"a share of {share} cannot be held out; use one between 0 and 1")
    path, parting = Path(data), _Parting(share, seed)
    if path.is_dir():
        return _read_folder(path, parting)
    if path.is_file():
        if path.suffix != ".npz":
            raise InputError(f"{path} is neither a folder of images nor an .npz file of arrays")
        pixels, labels = inputs.read_npz(path)
        found = _Arrays(path.name, pixels, labels, where=str(path))
    elif str(data) in inputs.IMAGE_SETS:
        name = str(data)
        (pixels, labels), test = inputs.labelled(name)
        found = _Arrays(name, pixels, labels, where=f"image set {name}", test=test)
    else:
        raise InputError(_absent(path))
    found.check(resolution)
    return found.parted(parting)


def _absent(path: Path) -> str:
    """Why nothing is read: there is no such folder, file or name."""
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    similar = near(path.name, [*beside, *inputs.IMAGE_SETS])
    meant = f" (did you mean {' or '.join(similar)}?)" if similar else ""
    return (
        f"there is no folder or file {path}{meant}; name a folder with train/ and val/, a folder "
        f"of class folders, an .npz file, or one of {', '.join(inputs.IMAGE_SETS)}"
    )


@dataclass(frozen=True)
class _Parting:
    """How a part of the images is held out."""

    share: float
    seed: int

    def held_out(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which images are for validation: the same share of each class, at least one."""
        chosen = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels).tolist():
            members = np.flatnonzero(labels == label)
            rng = np.random.RandomState(derive_seed("held out", self.seed, label) % 2**32)
            size = min(max(1, round(self.share * len(members))), len(members) - 1)
            chosen[rng.permutation(members)[:size]] = True
        return chosen

    @property
    def plain(self) -> dict[str, Any]:
        return {"held_out": self.share, "seed": self.seed}


# ------------------------------------------------------------------ files


class _Names(Sequence[str]):
    """File names in one block of memory.

    A million strings would be copied into every process that loads images: each access changes
    their reference counts.
    """

    def __init__(self, names: Sequence[str]) -> None:
        encoded = [os.fsencode(name) for name in names]
        self._text = b"".join(encoded)
        self._ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: Any) -> Any:
        return os.fsdecode(self._text[self._ends[index] : self._ends[index + 1]])


class FileImages:
    """Images in files, decoded when they are asked for."""

    def __init__(self, root: Path, names: Sequence[str], labels: NDArray[np.int64]) -> None:
        self.root, self.labels = root, labels
        self.names = _Names(names)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        """One image in RGB, and its label.

        Raises:
            InputError: The file is no readable image.
        """
        path = self.root / self.names[index]
        try:
            with Image.open(path) as image:
                return image.convert("RGB"), int(self.labels[index])
        # Decoders of damaged files raise more than OSError.
        except (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError,
                ArithmeticError, Image.DecompressionBombError) as error:  # fmt: skip
            raise InputError(
                f"{path} is no readable image: {error}; replace it by one that is and run the "
                "same command again: a training goes on"
            ) from error


def _check_task(root: Path) -> None:
    """Refuse folders of other tasks, in which classes would be found that are none."""
    if not (root / "annotations").is_dir() or (root / "train").is_dir():
        return
    if (root / "images").is_dir():
        raise InputError(f"{root} is laid out as ADE20K, not by classes; use --task segmentation")
    if any((root / "annotations").glob("instances_*.json")):
        raise InputError(f"{root} is laid out as COCO, not by classes; use --task detection")


def _read_folder(root: Path, parting: _Parting) -> LabelledImages:
    _check_task(root)
    train, val = root / "train", root / "val"
    if val.is_dir() and not train.is_dir():
        raise InputError(f"{root} has val/ and no train/; put the training images into {train}")
    if not train.is_dir():
        return _part_folder(root, root, parting)
    if not val.is_dir():
        other = next((name for name in _OTHER_NAMES if (root / name).is_dir()), None)
        if other is not None:
            raise InputError(f"{root} has train/ and no val/; rename {other}/ to val/")
        return _part_folder(root, train, parting)
    classes, names, labels = _scan(train)
    val_classes, val_names, val_labels = _scan(val)
    _check_classes(train, classes, val, val_classes)
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < 2:
        few = train / classes[int(counts.argmin())]
        raise InputError(f"{few} has one image, from which no class is learned; add some")
    parts = FileImages(train, names, labels), FileImages(val, val_names, val_labels)
    return _files(root, classes, parts, {})


def _part_folder(root: Path, images: Path, parting: _Parting) -> LabelledImages:
    classes, names, labels = _scan(images)
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < 2:
        few = classes[int(counts.argmin())]
        raise InputError(
            f"{images / few} has one image, of which none can be held out for validation; add "
            f"images, or sort them into {root / 'train'} and {root / 'val'} yourself"
        )
    out = parting.held_out(labels)
    parts = [
        FileImages(images, [names[i] for i in np.flatnonzero(part)], labels[part])
        for part in (~out, out)
    ]
    return _files(root, classes, (parts[0], parts[1]), parting.plain)


def _files(
    root: Path, classes: list[str], parts: tuple[FileImages, FileImages], more: Mapping[str, Any]
) -> LabelledImages:
    train, validation = parts
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr((len(part), part.labels.tolist())).encode())
        for name in part.names:
            digest.update(os.fsencode(name) + b"\0")
    fingerprint = {
        "kind": "folder", "train": len(train), "validation": len(validation), "classes": classes,
        "sha256": digest.hexdigest(), **more,
    }  # fmt: skip
    return LabelledImages(train, validation, tuple(classes), None, fingerprint)


def _scan(folder: Path) -> tuple[list[str], list[str], NDArray[np.int64]]:
    """Classes, files below `folder` in order, and their labels."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
        classes = sorted(entry.name for entry in found if entry.is_dir())
        if not classes:
            raise InputError(_no_classes(folder, [entry.name for entry in found]))
        names: list[str] = []
        counts = []
        for name in classes:
            mine = sorted(_images(folder / name, name, set()))
            if not mine:
                raise InputError(
                    f"{folder / name} has no image ({' '.join(ENDINGS)}); add some, or remove it"
                )
            names += mine
            counts.append(len(mine))
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error}; mend its permissions") from error
    if len(classes) < 2:
        raise InputError(f"{folder} has one class alone, {classes[0]}; there must be two or more")
    return classes, names, np.repeat(np.arange(len(classes)), counts)


def _no_classes(folder: Path, found: Sequence[str]) -> str:
    images = sum(name.lower().endswith(ENDINGS) for name in found)
    if images:
        return f"{folder} has {images} images and no class folders; sort them into a folder a class"
    state = "has no class folders" if found else "is empty"
    return f"{folder} {state}; put a folder of images a class into it"


def _images(folder: Path, prefix: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Image files in a folder and the folders in it, each folder once, behind links too."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{prefix}/{entry.name}"
            if entry.name.lower().endswith(ENDINGS) and entry.is_file():
                yield name
            elif entry.is_dir():
                yield from _images(folder / entry.name, name, seen)


def _check_classes(
    train: Path, classes: Sequence[str], val: Path, val_classes: Sequence[str]
) -> None:
    for one, names, other, others in (
        (val, val_classes, train, classes), (train, classes, val, val_classes)
    ):  # fmt: skip
        lacking = sorted(set(names) - set(others))
        if lacking:
            raise InputError(
                f"{other} lacks classes that {one} has: {_listed(lacking)}; both need the same"
            )


def _listed(values: Sequence[object]) -> str:
    rest = len(values) - _SHOWN
    return ", ".join(map(str, values[:_SHOWN])) + (f" and {rest} more" if rest > 0 else "")


# ------------------------------------------------------------------ arrays


class ArrayImages:
    """Some of the images of an array."""

    def __init__(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], chosen: NDArray[np.int64]
    ) -> None:
        self.pixels, self.labels, self.chosen = pixels, labels, chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int]:
        """One image, uint8 (R, R, 3), and its label."""
        place = self.chosen[index]
        return self.pixels[place], int(self.labels[place])


@dataclass(frozen=True)
class _Arrays:
    """Images in memory; `where` is what messages call them."""

    name: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    where: str
    test: inputs.Labelled | None = None

    def check(self, resolution: int | None) -> None:
        """Raise an InputError where the images cannot be learned from."""
        where, shape = self.where, self.pixels.shape
        if shape[1] != shape[2] or shape[3] != 3 or not shape[1]:
            raise InputError(f"{where}: images of shape {shape}, not (N, R, R, 3)")
        if resolution not in (None, shape[1]):
            raise InputError(
                f"{where}: images of {shape[1]} pixels a side, not {resolution}; use "
                f"--resolution {shape[1]}"
            )
        present, counts = np.unique(self.labels, return_counts=True)
        if len(present) < 2:
            raise InputError(f"{where}: {len(present)} classes; there must be two or more")
        if present[0] != 0 or present[-1] != len(present) - 1:
            raise InputError(
                f"{where}: labels {present[0]} .. {present[-1]} of {len(present)} classes, not "
                f"0 .. {len(present) - 1}; renumber them"
            )
        if self.test is None and counts.min() < 2:
            few = int(counts.argmin())
            raise InputError(
                f"{where}: class {few} has one image, of which none can be held out for "
                "validation; add images, or leave the class out"
            )
        if self.test is not None and not set(np.unique(self.test[1]).tolist()) <= set(
            present.tolist()
        ):
            raise InputError(f"{where}: its test images have classes that training lacks")

    def parted(self, parting: _Parting) -> LabelledImages:
        """In two parts: the test images, or what is held out, for validation."""
        digest = hashlib.sha256()
        for array in (self.pixels, self.labels, *(self.test or ())):
            digest.update(np.ascontiguousarray(array).data)
        every = np.arange(len(self.labels))
        if self.test is None:
            out, more = parting.held_out(self.labels), parting.plain
            train = ArrayImages(self.pixels, self.labels, every[~out])
            validation = ArrayImages(self.pixels, self.labels, every[out])
        else:
            more = {}
            train = ArrayImages(self.pixels, self.labels, every)
            validation = ArrayImages(*self.test, np.arange(len(self.test[1])))
        classes = tuple(map(str, range(int(self.labels.max()) + 1)))
        fingerprint = {
            "kind": self.name, "train": len(train), "validation": len(validation),
            "classes": list(classes), "sha256": digest.hexdigest(), **more,
        }  # fmt: skip
        mean, deviation = statistics(self.name)
        side = self.pixels.shape[1]
        return LabelledImages(train, validation, classes, side, fingerprint, mean, deviation)


def statistics(name: str) -> tuple[Triple, Triple]:
    """Channel means and deviations, of values in 0..1, of an image set; others: ImageNet's."""
    images = inputs.IMAGE_SETS.get(name)
    if images is None:
        return MEAN, DEVIATION
    return _scaled(images.mean), _scaled(images.deviation)


def _scaled(values: Triple) -> Triple:
    red, green, blue = values
    return red / 255, green / 255, blue / 255
