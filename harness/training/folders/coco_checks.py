"""What must hold of a part of a data set in COCO's layout, before anything is trained on it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.errors import InputError

#: Bytes; COCO's own file has .45e9.
LARGEST = 2 * 10**9
#: By how many pixels a box may overhang its image: what rounding does.
OVERHANG = 1.0
#: A box with a shorter side, in pixels, has no area. COCO has two in 860,001.
SHORTEST = 0.01
#: Share of boxes without area above which the file is taken for damaged.
FEW = 1e-3


@dataclass(frozen=True)
class Checked:
    """A part in which nothing contradicts.

    Attributes:
        images: By id: `file_name`, `height`, `width`.
        annotations: As they stand in the file.
        categories: Names by id, in the order of the ids.
        flat: Ids of annotations whose box has no area, crowds apart.
        overhanging: How many boxes overhang their image by a pixel at most.
        sha256: Of the file.
    """

    images: Mapping[int, Mapping[str, Any]]
    annotations: Sequence[Mapping[str, Any]]
    categories: Mapping[int, str]
    flat: Collection[int]
    overhanging: int
    sha256: str


def annotation_file(folder: Path, part: str) -> Path:
    """File of the annotations of a part."""
    return folder / "annotations" / f"instances_{part}.json"


def read(folder: Path, part: str) -> Checked:
    """Read the annotations of a part and the headers of its images.

    Raises:
        InputError: Something contradicts; the message names file, id and remedy.
    """
    path = annotation_file(folder, part)
    content, digest = _content(path)
    categories = _categories(path, content["categories"])
    images = _images(path, content["images"], folder / part)
    found = content["annotations"]
    flat, overhanging, real = set(), 0, 0
    for annotation in _known(path, found, images, categories):
        image = images[annotation["image_id"]]
        where = f"{path}, annotation {annotation['id']} of image {image['file_name']}"
        over = _overhang(where, annotation.get("bbox"), image)
        overhanging += over > 0
        _check_segmentation(where, annotation.get("segmentation"), image)
        if not annotation.get("iscrowd", 0):
            real += 1
            left, top, right, bottom = corners(annotation["bbox"], image["height"], image["width"])
            if min(right - left, bottom - top) < SHORTEST:
                flat.add(annotation["id"])
    if not real:
        raise InputError(f"{path} has no annotations of single instances; nothing can be learned")
    if len(flat) > FEW * len(found):
        raise InputError(_too_flat(path, found, images, flat))
    return Checked(images, found, categories, flat, overhanging, digest)


def corners(box: Sequence[float], height: int, width: int) -> list[float]:
    """Left, top, right, bottom of COCO's (left, top, width, height), cut at the image's edges."""
    x, y, w, h = box
    return [max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))]


def categories_used(part: Checked) -> set[int]:
    """Ids of the categories that have an instance from which can be learned."""
    return {
        a["category_id"]
        for a in part.annotations
        if not a.get("iscrowd", 0) and a["id"] not in part.flat
    }


def check_classes(
    folder: Path, classes: Mapping[int, str], seen: Collection[int], validation: Checked
) -> None:
    """The validation part has the training part's categories, and asks for none not learned.

    Raises:
        InputError: It is otherwise.
    """
    if classes != validation.categories:
        odd = sorted(set(classes.items()) ^ set(validation.categories.items()))[0]
        raise InputError(
            f"the two annotation files in {folder / 'annotations'} have different categories: "
            f"only one of them has {odd[1]!r} with id {odd[0]}; write the same list into both"
        )
    missing = sorted(categories_used(validation) - set(seen))
    if missing:
        named = ", ".join(repr(classes[number]) for number in missing[:5])
        raise InputError(
            f"{folder}: validation has instances of {named}, of which there is none in training; "
            "add training images of it or take it out of both annotation files"
        )


def _content(path: Path) -> tuple[dict[str, Any], str]:
    """The lists of the file, and its hash."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(f"{path} has {size} bytes, more than {LARGEST}; split the data set")
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        content = json.loads(data)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}; copy it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no COCO file: its JSON is no object")
    for name in ("images", "annotations", "categories"):
        value = content.get(name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise InputError(
                f"{path} is no COCO file: it lacks {name!r}, a list of objects; instances need "
                "images, annotations and categories"
            )
        if not value:
            raise InputError(f"{path}: the list {name!r} is empty; nothing can be learned")
    return content, digest


def _categories(path: Path, found: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    names: dict[int, str] = {}
    for place, category in enumerate(found):
        number, name = category.get("id"), category.get("name")
        if type(number) is not int or not isinstance(name, str) or not name:
            raise InputError(f"{path}: category {place} needs an id, an integer, and a name")
        if number in names or name in names.values():
            raise InputError(f"{path}: two categories have the id {number} or the name {name!r}")
        names[number] = name
    return dict(sorted(names.items()))


def _images(
    path: Path, found: Sequence[Mapping[str, Any]], folder: Path
) -> dict[int, dict[str, Any]]:
    """Images by id; each is a file directly in the folder, of the size that is said."""
    there = {entry.name for entry in folder.iterdir()}
    images: dict[int, dict[str, Any]] = {}
    for place, image in enumerate(found):
        number, name = image.get("id"), image.get("file_name")
        size = image.get("height"), image.get("width")
        if type(number) is not int or not isinstance(name, str):
            raise InputError(f"{path}: image {place} needs an id, an integer, and a file_name")
        if any(type(side) is not int or side < 1 for side in size):
            raise InputError(
                f"{path}: image {number} ({name}) has height and width {size}; give pixels"
            )
        if number in images:
            raise InputError(f"{path}: two images have the id {number}")
        if name not in there:
            raise InputError(
                f"{path} names the image {name}, which is not in {folder}; copy it there, or take "
                "it out of the file"
            )
        images[number] = {"file_name": name, "height": size[0], "width": size[1]}
    with ThreadPoolExecutor(16) as pool:  # waits for disks
        faults = pool.map(functools.partial(_fault, folder), images.values())
        for fault in filter(None, faults):
            pool.shutdown(cancel_futures=True)
            raise InputError(fault)
    return images


def _fault(folder: Path, image: Mapping[str, Any]) -> str | None:
    """What is wrong with the file of an image, by its header."""
    path = folder / image["file_name"]
    try:
        with Image.open(path) as opened:
            size = opened.height, opened.width
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"cannot read the image {path}: {error}; copy it again"
    said = image["height"], image["width"]
    if size != said:
        return (
            f"the image {path} is {size[1]} x {size[0]} px, and {said[1]} x {said[0]} by its "
            "annotations, so boxes would lie wrong; correct one of them"
        )
    return None


def _known(
    path: Path,
    found: Sequence[Mapping[str, Any]],
    images: Mapping[int, Any],
    categories: Mapping[int, str],
) -> Iterator[Mapping[str, Any]]:
    """Annotations, of which each has an id of its own, a known image and category, and a box."""
    ids: set[int] = set()
    for place, annotation in enumerate(found):
        number = annotation.get("id")
        if type(number) is not int or number in ids:
            raise InputError(f"{path}: annotation {place} has the id {number!r}; give each its own")
        ids.add(number)
        for name, known in (("image_id", images), ("category_id", categories)):
            value = annotation.get(name)
            if type(value) is not int or value not in known:
                raise InputError(
                    f"{path}: annotation {number} has the {name} {value!r}, which the file does "
                    "not list; add it there or take the annotation out"
                )
        if annotation.get("iscrowd", 0) not in (0, 1):
            raise InputError(f"{path}: annotation {number} has an iscrowd that is not 0 or 1")
        yield annotation


def _overhang(where: str, box: Any, image: Mapping[str, Any]) -> float:
    """By how many pixels a box overhangs its image."""
    if not isinstance(box, list) or len(box) != 4 or not all(map(_number, box)):
        said = "there is no bbox of" if box is None else f"the bbox {box!r} is not"
        raise InputError(f"{where}: {said} four numbers, x, y, width, height")
    x, y, w, h = box
    size = f"the image of {image['width']} x {image['height']} px"
    if w < 0 or h < 0:
        raise InputError(
            f"{where}: the box {box} has a negative side, in {size}; a bbox is x, y, width, height"
        )
    over = max(-x, -y, x + w - image["width"], y + h - image["height"])
    if over > OVERHANG:
        raise InputError(
            f"{where}: the box {box} lies {over:g} px outside of {size}; a bbox is x, y, width, "
            "height in pixels: correct it or take the annotation out"
        )
    return float(over)


def _too_flat(
    path: Path,
    found: Sequence[Mapping[str, Any]],
    images: Mapping[int, Mapping[str, Any]],
    flat: Collection[int],
) -> str:
    first = next(a for a in found if a["id"] in flat)
    image = images[first["image_id"]]
    return (
        f"{path}, annotation {first['id']} of image {image['file_name']}: the box {first['bbox']} "
        f"has no area, in the image of {image['width']} x {image['height']} px, and so have "
        f"{len(flat)} of {len(found)}; up to one in {1 / FEW:g} are left out: correct them or take "
        "the annotations out"
    )


def _check_segmentation(where: str, found: Any, image: Mapping[str, Any]) -> None:
    """Polygons or run lengths fit the image; of others pycocotools writes beyond its memory."""
    height, width = image["height"], image["width"]
    if isinstance(found, list) and found:
        far = max(height, width)
        for polygon in found:
            if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
                raise InputError(f"{where}: a polygon needs three points or more, x and y in turns")
            # What is far outside costs memory by its length.
            if not all(_number(v) and -far <= v <= 2 * far for v in polygon):
                raise InputError(f"{where}: a polygon lies far outside of {width} x {height} px")
        return
    if not isinstance(found, dict):
        raise InputError(f"{where}: there is no segmentation; masks are learned with the boxes")
    counts = found.get("counts")
    runs: Any = run_lengths(counts) if isinstance(counts, str) else counts
    fits = isinstance(runs, list) and all(type(n) is int and n >= 0 for n in runs)
    if not fits or sum(runs) != height * width or found.get("size") != [height, width]:
        raise InputError(
            f"{where}: the run lengths are damaged or not of {width} x {height} px; write the "
            "segmentation again"
        )


def run_lengths(text: str) -> list[int] | None:
    """Run lengths of COCO's compressed text; None where it is damaged.

    Six bits a character from "0" on: five of the number, lowest first, and whether it goes on; the
    last one's highest bit is the sign. From the third number on it is the difference to the last
    but one.
    """
    runs: list[int] = []
    value = shift = 0
    for sign in text:
        bits = ord(sign) - 48
        if not 0 <= bits < 64 or shift > 30:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return None if shift else runs


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9
