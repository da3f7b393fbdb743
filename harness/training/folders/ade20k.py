"""Images with a class for every pixel, in ADE20K's layout (Zhou et al., arXiv:1608.05442).

That of the scene parsing benchmark, ADEChallengeData2016: `images/training/NAME.jpg` with
`annotations/training/NAME.png`, and the same with `validation`. An annotation has one channel: 0
where a pixel is not labelled, 1 for the first class, ... `objectInfo150.txt` names the classes;
without it they are the numbers up to the largest one in the annotations.

All annotations are read once, which takes some milliseconds each on one core: what is wrong with
them is said before a training begins.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.errors import InputError

#: Label of pixels that have none; classes are 0, 1, ...
IGNORED = 255
TRAINING, VALIDATION = "training", "validation"
_NAMES = "objectInfo150.txt"
_SUFFIXES = (".jpg", ".jpeg", ".png")
#: One byte a pixel, of which one value means that it is not labelled.
_MOST = 254
_LARGEST_NAMES = 1 << 20
_DAMAGES = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Pair:
    """An image and its annotation."""

    image: Path
    annotation: Path


@dataclass(frozen=True)
class Ade20k:
    """A data set in ADE20K's layout.

    Attributes:
        train: Images to learn from.
        validation: Images to judge by.
        classes: Names, in the order of their numbers.
        fingerprint: Counts, classes and a hash of names and sizes of the files.
    """

    train: Sequence[Pair]
    validation: Sequence[Pair]
    classes: Sequence[str]
    fingerprint: Mapping[str, Any]


def read(folder: Path) -> Ade20k:
    """Read and check a data set.

    Raises:
        InputError: The folder is empty, damaged or incomplete; the message names file, reason and
            remedy.
    """
    parts = {part: _pairs(folder, part) for part in (TRAINING, VALIDATION)}
    used = {part: _used(pairs) for part, pairs in parts.items()}
    names = _names(folder / _NAMES)
    if not names:
        largest = max(max(found, default=0) for found in used.values())
        names = [str(number) for number in range(1, largest + 1)]
    _check_classes(folder, names, used)
    facts = {
        "layout": "ade20k",
        "classes": names,
        **{part: len(pairs) for part, pairs in parts.items()},
        "files": _hash(folder, [pair for pairs in parts.values() for pair in pairs]),
    }
    return Ade20k(parts[TRAINING], parts[VALIDATION], names, facts)


def pixels(pair: Pair) -> Image.Image:
    """The image, in RGB.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with Image.open(pair.image) as opened:
            return opened.convert("RGB")
    except _DAMAGES as error:
        raise _unreadable("image", pair.image, error) from error


def labels(pair: Pair) -> NDArray[np.uint8]:
    """The class of every pixel, (height, width), `IGNORED` where it is not labelled.

    Raises:
        InputError: The annotation cannot be read, or is none.
    """
    # 0 becomes 255: bytes go round.
    return _values(pair.annotation) - np.uint8(1)


# ------------------------------------------------------------------ files


def _pairs(folder: Path, part: str) -> list[Pair]:
    images, annotations = (folder / kind / part for kind in ("images", "annotations"))
    for place in (images, annotations):
        if not place.is_dir():
            raise InputError(
                f"there is no folder {place}; ADE20K's layout is images/{part}/NAME.jpg with "
                f"annotations/{part}/NAME.png: name the folder that has both (ADEChallengeData2016)"
            )
    found = sorted(path for path in _files(images) if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise InputError(f"{images} has no image ({', '.join(_SUFFIXES)}); name another folder")
    written = {path.stem: path for path in _files(annotations) if path.suffix.lower() == ".png"}
    pairs = []
    for image in found:
        if image.stem not in written:
            raise InputError(
                f"{image} has no annotation: there is no {annotations / image.stem}.png; add it, "
                "or remove the image"
            )
        pairs.append(Pair(image, written.pop(image.stem)))
    if written:
        raise InputError(
            f"{next(iter(written.values()))} has no image of its name in {images}; add it, or "
            "remove the annotation"
        )
    return pairs


def _files(folder: Path) -> Iterator[Path]:
    """Files of a folder without the hidden ones that archives leave behind."""
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _hash(folder: Path, pairs: Sequence[Pair]) -> str:
    known = hashlib.sha256()
    for path in (path for pair in pairs for path in (pair.image, pair.annotation)):
        name = path.relative_to(folder).as_posix()
        known.update(f"{name}\0{path.stat().st_size}\n".encode())
    return known.hexdigest()[:16]


def _names(path: Path) -> list[str]:
    """Names of the classes; none: there is no such file."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8") as opened:
            rows = opened.read(_LARGEST_NAMES).splitlines()[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable("list of classes", path, error) from error
    names = []
    for number, row in enumerate((row for row in rows if row.strip()), 1):
        fields = [field.strip() for field in row.split("\t")]
        if len(fields) < 2 or fields[0] != str(number) or not fields[-1]:
            raise InputError(
                f"{path}: line {number + 1} is {row[:60]!r}, not class {number} as number, tab, "
                "..., tab, name; mend it, or remove the file, and the classes are numbers"
            )
        names.append(fields[-1])
    if not 1 < len(names) <= _MOST:
        raise InputError(f"{path} names {len(names)} classes; there may be 2 to {_MOST}")
    return names


# ------------------------------------------------------------------ annotations


def _values(path: Path) -> NDArray[np.uint8]:
    """An annotation as it is written."""
    try:
        with Image.open(path) as opened:
            mode = opened.mode
            values = np.asarray(opened)
    except _DAMAGES as error:
        raise _unreadable("annotation", path, error) from error
    if mode not in ("L", "P") or values.ndim != 2:
        raise InputError(
            f"{path} is an image of mode {mode}; an annotation has one channel of 8 bits, the "
            "number of each pixel's class, as in ADEChallengeData2016 (the full ADE20K has colours)"
        )
    return values


def _used(pairs: Sequence[Pair]) -> dict[int, Path]:
    """Labels that occur but 0, each with the first annotation that has it.

    Raises:
        InputError: An image or annotation cannot be read, or their sizes differ.
    """
    found: dict[int, Path] = {}
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for pair, values in zip(pairs, pool.map(_occurring, pairs), strict=True):
            for value in values:
                found.setdefault(value, pair.annotation)
    return found


def _occurring(pair: Pair) -> list[int]:
    values = _values(pair.annotation)
    try:
        with Image.open(pair.image) as opened:
            width, height = opened.size
    except _DAMAGES as error:
        raise _unreadable("image", pair.image, error) from error
    if values.shape != (height, width):
        raise InputError(
            f"{pair.annotation} has {values.shape[1]} x {values.shape[0]} pixels and its image "
            f"{pair.image.name} {width} x {height}; an annotation has one value for each pixel"
        )
    occurring = np.flatnonzero(np.bincount(values.ravel(), minlength=1))
    return [int(value) for value in occurring if value]


def _check_classes(
    folder: Path, names: Sequence[str], used: Mapping[str, Mapping[int, Path]]
) -> None:
    for part, found in used.items():
        if not found:
            raise InputError(
                f"no annotation in {folder / 'annotations' / part} labels a pixel: all are 0"
            )
        most = min(len(names), _MOST)
        for value, path in found.items():
            if value > most:
                raise InputError(
                    f"{path} has label {value}, but the last of the {most} classes is {most}; 0 "
                    f"means not labelled, 1 the first class: number them so, or complete {_NAMES}"
                )
    if len(names) < 2:
        raise InputError(f"{folder} has one class; there must be two to tell apart")
    for value, path in sorted(used[VALIDATION].items()):
        if value not in used[TRAINING]:
            raise InputError(
                f"{path} has class {value} ({names[value - 1]}), which no training image has: it "
                "cannot be learned; add training images of it, or label its pixels 0"
            )


def _unreadable(what: str, path: Path, error: Exception) -> InputError:
    return InputError(f"cannot read the {what} {path}: {error}; copy it again")
