"""Small scenes with exact boxes and masks, written in the layouts of real data.

Coloured rectangles, circles and triangles, the classes, lie apart on noise. Each is a polygon; its
mask is pycocotools' reading of that polygon, and colour, label map and box follow from the mask.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as rle

SHAPES = ("rectangle", "circle", "triangle")
#: Ids of COCO's categories have gaps.
CATEGORIES = {1: "rectangle", 3: "circle", 18: "triangle"}
#: Colour of a class, one for each of up to six classes of `image_folder`.
COLOURS = (
    (220, 40, 40),
    (40, 200, 60),
    (50, 80, 230),
    (230, 210, 40),
    (200, 60, 200),
    (40, 210, 210),
)
#: Rows of pixels without a label at the top of the label maps of `ade20k`.
UNLABELLED = 4


@dataclass(frozen=True)
class Thing:
    """One shape in a scene.

    Attributes:
        kind: Number of its class.
        polygon: x and y of its corners in turns.
        mask: (height, width), 1 inside.
        box: x, y, width, height of the mask.
    """

    kind: int
    polygon: list[float]
    mask: NDArray[np.uint8]
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """An image (height, width, 3) with its shapes."""

    image: NDArray[np.uint8]
    things: Sequence[Thing]


def scenes(count: int, size: int, seed: int) -> list[Scene]:
    """Scenes of one to three shapes, `size` pixels wide; every third is less high than wide.

    The first shapes of consecutive scenes are of all classes in turns.
    """
    generator = np.random.default_rng(seed)
    shapes = [(size if n % 3 else size * 3 // 4, size) for n in range(count)]
    return [_scene(generator, shape, n % len(SHAPES)) for n, shape in enumerate(shapes)]


def coco(folder: Path, train: int = 24, val: int = 8, size: int = 96, seed: int = 0) -> Path:
    """COCO's layout: `annotations/instances_{train,val}2017.json` and folders of JPEGs."""
    for number, (part, count) in enumerate((("train2017", train), ("val2017", val))):
        content = _coco_part(folder / part, scenes(count, size, 2 * seed + number))
        path = folder / "annotations" / f"instances_{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def ade20k(
    folder: Path, train: int = 24, val: int = 8, size: int = 96, seed: int = 0, names: bool = True
) -> Path:
    """ADE20K's layout: `images/` and `annotations/` with `training/` and `validation/`.

    Label 1 is the ground, 2 to 4 are the shapes, 0 the first `UNLABELLED` rows. `names` adds
    `objectInfo150.txt`.
    """
    parts = (("training", "train", train), ("validation", "val", val))
    for number, (part, short, count) in enumerate(parts):
        for kind in ("images", "annotations"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        for index, scene in enumerate(scenes(count, size, 2 * seed + number), 1):
            labels = np.ones(scene.image.shape[:2], np.uint8)
            for thing in scene.things:
                labels[thing.mask == 1] = 2 + thing.kind
            labels[:UNLABELLED] = 0
            stem = f"ADE_{short}_{index:08d}"
            Image.fromarray(labels).save(folder / "annotations" / part / f"{stem}.png")
            _save_jpeg(scene.image, folder / "images" / part / f"{stem}.jpg")
    if names:
        rows = ["Idx\tRatio\tTrain\tVal\tStuff\tName"]
        rows += [f"{n}\t0.1\t1\t1\t0\t{name}" for n, name in enumerate(("ground", *SHAPES), 1)]
        (folder / "objectInfo150.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def image_folder(
    folder: Path, classes: int = 3, train: int = 16, val: int = 8, size: int = 32, seed: int = 0
) -> Path:
    """ImageFolder's layout: `{train,val}/<class>/*.png`, `train` and `val` images a class.

    One shape an image; classes, at most six, differ in shape or colour.
    """
    for number, (part, count) in enumerate((("train", train), ("val", val))):
        for kind in range(classes):
            generator = np.random.default_rng((seed, number, kind))
            place = folder / part / f"{kind}_{SHAPES[kind % len(SHAPES)]}"
            place.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                ground = _ground(generator, (size, size))
                thing = _thing(generator, (size, size), kind, (size // 3, 3 * size // 4))
                _paint(ground, thing, generator)
                Image.fromarray(ground).save(place / f"{index:04d}.png")
    return folder


def _coco_part(folder: Path, found: Sequence[Scene]) -> dict[str, Any]:
    """Write the images of a part; returns the content of its annotation file."""
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    ids = list(CATEGORIES)
    for index, scene in enumerate(found, 1):
        name = f"{index:012d}.jpg"
        _save_jpeg(scene.image, folder / name)
        height, width = scene.image.shape[:2]
        images.append({"id": index, "file_name": name, "height": height, "width": width})
        annotations += [
            {
                "id": len(annotations) + place, "image_id": index, "category_id": ids[thing.kind],
                "bbox": [float(v) for v in thing.box], "area": float(thing.mask.sum()),
                "segmentation": [thing.polygon], "iscrowd": 0,
            }
            for place, thing in enumerate(scene.things, 1)
        ]  # fmt: skip
    categories = [
        {"id": n, "name": name, "supercategory": "shape"} for n, name in CATEGORIES.items()
    ]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def _scene(generator: np.random.Generator, shape: tuple[int, int], first: int) -> Scene:
    image = _ground(generator, shape)
    things: list[Thing] = []
    taken = np.zeros(shape, bool)
    wanted = int(generator.integers(1, 4))
    while len(things) < wanted:
        kind = int(generator.integers(len(SHAPES))) if things else first
        thing = _thing(generator, shape, kind, (shape[0] // 4, shape[0] // 2))
        x, y, width, height = thing.box
        if taken[y : y + height, x : x + width].any():
            wanted -= generator.random() < 0.3  # a full scene has no place for more
            continue
        taken[max(y - 2, 0) : y + height + 2, max(x - 2, 0) : x + width + 2] = True
        _paint(image, thing, generator)
        things.append(thing)
    return Scene(image, things)


def _ground(generator: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.uint8]:
    return generator.integers(70, 150, (*shape, 3), dtype=np.uint8)


def _paint(image: NDArray[np.uint8], thing: Thing, generator: np.random.Generator) -> None:
    noise = generator.integers(-25, 26, image.shape)
    colour = np.clip(np.array(COLOURS[thing.kind]) + noise, 0, 255).astype(np.uint8)
    image[thing.mask == 1] = colour[thing.mask == 1]


def _thing(
    generator: np.random.Generator, shape: tuple[int, int], kind: int, sides: tuple[int, int]
) -> Thing:
    """A shape of a class somewhere in an image of (height, width), wholly inside."""
    width, height = (int(v) for v in generator.integers(sides[0], sides[1] + 1, 2))
    if SHAPES[kind % len(SHAPES)] == "circle":
        height = width
    x = int(generator.integers(0, shape[1] - width + 1))
    y = int(generator.integers(0, shape[0] - height + 1))
    polygon = [
        float(v) for u in _outline(kind) for v in (x + u[0] * width, y + u[1] * height)
    ]  # fmt: skip
    encoded = rle.frPyObjects([polygon], *shape)
    mask: NDArray[np.uint8] = rle.decode(encoded)[:, :, 0]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top = int(columns[0]), int(rows[0])
    box = (left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)
    return Thing(kind, polygon, mask, box)


def _outline(kind: int) -> list[tuple[float, float]]:
    """Corners of a class's shape in the unit square."""
    shape = SHAPES[kind % len(SHAPES)]
    if shape == "rectangle":
        return [(0, 0), (1, 0), (1, 1), (0, 1)]
    if shape == "triangle":
        return [(0.5, 0), (1, 1), (0, 1)]
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return [(0.5 + np.cos(t) / 2, 0.5 + np.sin(t) / 2) for t in turns]


def _save_jpeg(image: NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(image).save(path, quality=95)
