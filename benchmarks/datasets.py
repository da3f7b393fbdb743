"""Datasets of any resolution and number of classes: ImageNet's, and any images of one's own."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.errors import InputError
from benchmarks.types import Dataset

#: What "imagenet" alone means.
RESOLUTION, CLASSES = 224, 1000

_NAME = re.compile(r"imagenet(?:-(\d{1,4}))?(?:-(\d{1,5}))?")
_IMAGES = re.compile(r"images-(\d{1,4})-(\d{1,5})")


@dataclass(frozen=True)
class ImageNet:
    """Datasets called "imagenet" or "imagenet-RESOLUTION[-CLASSES]", one name each.

    Attributes:
        space: What messages call the space.
        multiple: Resolutions are multiples of it.
        least: The smallest resolution.
    """

    space: str
    multiple: int
    least: int

    def name(self, resolution: int, classes: int) -> str:
        """The name of a dataset.

        >>> ImageNet("a space", 32, 32).name(64, 1000)
        'imagenet-64'
        """
        if (resolution, classes) == (RESOLUTION, CLASSES):
            return "imagenet"
        return f"imagenet-{resolution}" + (f"-{classes}" if classes != CLASSES else "")

    def dataset(self, name: str) -> Dataset:
        """The task called `name`.

        Raises:
            InputError: The name is of no such form, another name is that task's, or the space
                has no such resolution.
        """
        return _dataset(self, name)

    def named(self, *names: str) -> Mapping[str, Dataset]:
        """Some of them, by name."""
        return MappingProxyType({name: self.dataset(name) for name in names})


@functools.cache
def _dataset(rules: ImageNet, name: str) -> Dataset:
    found = _NAME.fullmatch(name)
    remedy = (
        "use imagenet (224 px, 1000 classes) or imagenet-RESOLUTION[-CLASSES], such as imagenet-96 "
        f"or imagenet-64-10, the resolution a multiple of {rules.multiple} from {rules.least} on"
    )
    if found is None:
        raise InputError(f"unknown {rules.space} dataset {name!r}; {remedy}")
    resolution, classes = int(found[1] or RESOLUTION), int(found[2] or CLASSES)
    if resolution % rules.multiple or resolution < rules.least or classes < 2:
        raise InputError(f"there is no {rules.space} dataset {name!r}; {remedy}")
    own = rules.name(resolution, classes)
    if name != own:  # it is part of the key of scores
        raise InputError(f"the {rules.space} dataset {name!r} is called {own!r}")
    return Dataset(name, classes, resolution, images=(), split="val")


@dataclass(frozen=True)
class Images:
    """Datasets called "images-RESOLUTION-CLASSES", beside those that a benchmark was trained on.

    Attributes:
        space: What messages call the space.
        trained: The benchmark's own datasets, by name.
        multiple: Resolutions are multiples of it.
        least: The smallest resolution.
    """

    space: str
    trained: Mapping[str, Dataset]
    multiple: int = 4
    least: int = 8

    @staticmethod
    def name(resolution: int, classes: int) -> str:
        """The name of a dataset.

        >>> Images.name(32, 10)
        'images-32-10'
        """
        return f"images-{resolution}-{classes}"

    def dataset(self, name: str) -> Dataset:
        """The task called `name`, one of the benchmark's own or of any images.

        Raises:
            InputError: The name is of neither kind, or the space has no such resolution.
        """
        if name in self.trained:
            return self.trained[name]
        found = _IMAGES.fullmatch(name)
        remedy = (
            f"known: {', '.join(self.trained)}, and images-RESOLUTION-CLASSES, such as "
            f"images-32-10, for any others, the resolution a multiple of {self.multiple} from "
            f"{self.least} on"
        )
        if found is None:
            raise InputError(f"unknown {self.space} dataset {name!r}; {remedy}")
        resolution, classes = int(found[1]), int(found[2])
        if resolution % self.multiple or resolution < self.least or classes < 2:
            raise InputError(f"there is no {self.space} dataset {name!r}; {remedy}")
        own = self.name(resolution, classes)
        if name != own:  # it is part of the key of scores
            raise InputError(f"the {self.space} dataset {name!r} is called {own!r}")
        return Dataset(name, classes, resolution, images=(), split="val")
