"""Images with instances in COCO's layout (Lin et al., arXiv:1405.0312; cocodataset.org).

A folder has `annotations/instances_train2017.json` and `train2017/`, and the same with `val2017`;
or both without the year. Everything but the pixels is checked when it is read.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from benchmarks.errors import InputError
from harness.training.folders import coco_checks as checks
from harness.training.folders.coco_checks import Checked

_YEARS = ("2017", "")


class Images(Sequence[Mapping[str, Any]]):
    """Records of images in one block of memory, which processes that load images share.

    A record has `id`, `path`, `height`, `width` and `instances`: lists of label (from 1 on), box
    (left, top, right, bottom in pixels) and COCO's segmentation.
    """

    def __init__(self, folder: Path, records: Iterable[Mapping[str, Any]]) -> None:
        self.folder = folder
        parts = [json.dumps(record).encode() for record in records]
        self._ends = np.cumsum([0, *map(len, parts)])
        self._bytes = b"".join(parts)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        record = json.loads(self._bytes[self._ends[index] : self._ends[index + 1]])
        return record | {"path": self.folder / record["path"]}


@dataclass(frozen=True)
class Coco:
    """A data set in COCO's layout.

    Attributes:
        train: Images with instances; crowds and boxes of no area are left out.
        validation: All images, with no instances: those are in `truth`.
        classes: Names, in the order of the labels 1, 2, ...
        categories: COCO's ids of the classes.
        truth: The validation's annotations as pycocotools evaluates on them.
        fingerprint: Counts, classes and hashes of the annotation files.
    """

    train: Images
    validation: Images
    classes: Sequence[str]
    categories: Sequence[int]
    truth: COCO
    fingerprint: Mapping[str, Any]


def read(folder: Path) -> Coco:
    """Read and check a data set.

    Args:
        folder: See the module.

    Returns:
        Images with their instances. Boxes that overhang their image by a pixel at most are cut
        in training; those of no area, images without an instance and crowds are left out of it,
        as is usual. `fingerprint` counts all of them.

    Raises:
        InputError: The folder is empty, damaged or incomplete; the message names file, place and
            remedy.
    """
    train_name, validation_name = _parts(folder)
    train = checks.read(folder, train_name)
    classes = train.categories
    labels = {category: label for label, category in enumerate(classes, 1)}
    records = [r for r in _records(train, labels) if r["instances"]]
    facts = {"classes": list(classes.values()), "train": _facts(train, len(records))}
    images = Images(folder / train_name, records)
    seen = checks.categories_used(train)
    del train, records  # gigabytes, of real data
    validation = checks.read(folder, validation_name)
    checks.check_classes(folder, classes, seen, validation)
    facts["validation"] = _facts(validation, len(validation.images))
    plain = [record | {"instances": []} for record in _records(validation, labels)]
    return Coco(
        images,
        Images(folder / validation_name, plain),
        list(classes.values()),
        list(classes),
        _truth(validation),
        {"layout": "coco", **facts},
    )


def pixels(record: Mapping[str, Any]) -> Image.Image:
    """The image of a record, in RGB.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with Image.open(record["path"]) as opened:
            return opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"cannot read the image {record['path']}: {error}; copy it again"
        ) from error


def masks(record: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Masks of a record's instances, (instances, height, width), 1 inside."""
    height, width = record["height"], record["width"]
    found = [encoded(each[2], height, width) for each in record["instances"]]
    if not found:
        return np.zeros((0, height, width), np.uint8)
    decoded: NDArray[np.uint8] = rle.decode(found)
    return np.ascontiguousarray(decoded.transpose(2, 0, 1))


def encoded(segmentation: Any, height: int, width: int) -> Mapping[str, Any]:
    """A checked segmentation, polygons or either kind of run lengths, as compressed ones."""
    made: Mapping[str, Any]
    if isinstance(segmentation, list):
        made = rle.merge(rle.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        made = rle.frPyObjects(segmentation, height, width)
    else:
        made = segmentation
    return made


def _parts(folder: Path) -> tuple[str, str]:
    """Names of the training and the validation part.

    Raises:
        InputError: Something of the layout is missing.
    """
    layout = (
        "COCO's layout is annotations/instances_{train,val}2017.json, train2017/ and val2017/ (or "
        "all without the year)"
    )
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; {layout}")
    if not any(folder.iterdir()):
        raise InputError(f"the folder {folder} is empty; {layout}")
    there = [y for y in _YEARS if checks.annotation_file(folder, f"train{y}").is_file()]
    year = there[0] if there else _YEARS[0]
    parts = f"train{year}", f"val{year}"
    wanted = [checks.annotation_file(folder, part) for part in parts]
    missing = [str(path) for path in wanted if not path.is_file()]
    missing += [f"{folder / part}/" for part in parts if not (folder / part).is_dir()]
    if missing:
        raise InputError(f"{folder} lacks {', '.join(missing)}; {layout}")
    return parts


def _records(part: Checked, labels: Mapping[int, int]) -> list[dict[str, Any]]:
    """Images with what is learned of them, in the order of their ids."""
    records = {
        number: {
            "id": number, "path": image["file_name"], "height": image["height"],
            "width": image["width"], "instances": [],
        }
        for number, image in sorted(part.images.items())
    }  # fmt: skip
    for annotation in part.annotations:
        record: dict[str, Any] = records[annotation["image_id"]]
        if annotation.get("iscrowd", 0) or annotation["id"] in part.flat:
            continue
        box = checks.corners(annotation["bbox"], record["height"], record["width"])
        label = labels[annotation["category_id"]]
        record["instances"].append([label, box, annotation["segmentation"]])
    return list(records.values())


def _facts(part: Checked, used: int) -> dict[str, Any]:
    crowds = sum(bool(a.get("iscrowd", 0)) for a in part.annotations)
    return {
        "images": used,
        "images_left_out": len(part.images) - used,
        "instances": len(part.annotations) - crowds,
        "crowds": crowds,
        "boxes_without_area": len(part.flat),
        "boxes_overhanging": part.overhanging,
        "sha256": part.sha256,
    }


def _truth(part: Checked) -> COCO:
    """As pycocotools reads it; ids count from 1, for it takes a match with id 0 for none."""
    truth = COCO()
    annotations = []
    for number, annotation in enumerate(part.annotations, 1):
        image = part.images[annotation["image_id"]]
        segmentation = encoded(annotation["segmentation"], image["height"], image["width"])
        annotations.append(
            {
                "id": number,
                "image_id": annotation["image_id"],
                "category_id": annotation["category_id"],
                "bbox": annotation["bbox"],
                "iscrowd": int(annotation.get("iscrowd", 0)),
                "segmentation": segmentation,
                "area": float(rle.area(segmentation)),
            }
        )
    truth.dataset = {
        "images": [{"id": number} | dict(image) for number, image in part.images.items()],
        "categories": [{"id": n, "name": name} for n, name in part.categories.items()],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth
