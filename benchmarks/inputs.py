"""Mini-batches: Gaussian noise, and real images of CIFAR-10/100 and ImageNet16-120.

A batch is a function of (image set, dataset, seed, index, batch size) alone.
"""

from __future__ import annotations

import functools
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import data
from benchmarks.errors import InputError
from benchmarks.readers import archives
from benchmarks.types import Batch, Dataset

GAUSSIAN = "gaussian"

#: uint8 images (N, R, R, 3) and their int64 labels (N,).
Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]

#: The largest content of an .npz file that is read, in bytes.
_LARGEST = 2**35


@dataclass(frozen=True)
class ImageSet:
    """A set of labelled images and how a training batch is made of them.

    Attributes:
        name: What `--input` calls it.
        find: The file it lies in on this machine, or None.
        read: That file as (uint8 images (N, R, R, 3), int64 labels (N,)).
        mean: Channel means in 0..255, those the benchmarks were trained with.
        deviation: Channel deviations in 0..255.
        padding: Pixels of padding before the random crop.
        remedy: How a user gets it, for messages.
        read_test: That file's test images, in the form of `read`; None where it has none.
    """

    name: str
    find: Callable[[], Path | None]
    read: Callable[[Path], Labelled]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    padding: int
    remedy: str
    read_test: Callable[[Path], Labelled | None] = lambda path: None


def image_set(name: str) -> ImageSet:
    """The image set called `name`.

    Raises:
        InputError: The name is unknown.
    """
    if name not in IMAGE_SETS:
        known = ", ".join([GAUSSIAN, *IMAGE_SETS])
        raise InputError(f"unknown input {name!r}; known: {known}")
    return IMAGE_SETS[name]


def available(name: str) -> bool:
    """Whether the image set lies on this machine."""
    return image_set(name).find() is not None


def batch(source: str, dataset: Dataset, size: int, seed: int, index: int = 0) -> Batch:
    """A mini-batch.

    Args:
        source: "gaussian" or the name of an image set.
        dataset: Gives the resolution and the number of classes.
        size: Images in the batch.
        seed: Every seed has its own batches.
        index: Which batch of that seed: 0, 1 ...

    Returns:
        inputs (size, 3, R, R) float32; noise is N(0, 1), images are flipped, cropped after
        padding and normalised as in training. Targets (size,): random for noise.

    Raises:
        InputError: The image set is unknown, not on this machine, damaged, too small, or of
            another resolution or number of classes.
    """
    # RandomState's streams are frozen, where Generator's may change with NumPy's version.
    rng = np.random.RandomState([seed, *dataset.name.encode(), *([index] if index else [])])
    if source == GAUSSIAN:
        shape = (size, 3, dataset.resolution, dataset.resolution)
        noise = torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
        targets = torch.from_numpy(rng.randint(0, dataset.classes, size, dtype=np.int64))
        return Batch(noise, targets, GAUSSIAN, seed)
    images = image_set(source)
    pixels, labels = _load(source)
    resolution = pixels.shape[1]
    if resolution != dataset.resolution:
        raise InputError(
            f"{source} images have {resolution} pixels a side, "
            f"{dataset.name} takes {dataset.resolution}"
        )
    keep = np.flatnonzero(labels < dataset.classes)
    if len(keep) < size:
        raise InputError(f"{source} has {len(keep)} images here, fewer than the batch of {size}")
    chosen = rng.choice(keep, size, replace=False)
    augmented = _augment(pixels[chosen], images, rng)
    return Batch(torch.from_numpy(augmented), torch.from_numpy(labels[chosen]), source, seed)


def _augment(
    pixels: NDArray[np.uint8], images: ImageSet, rng: np.random.RandomState
) -> NDArray[np.float32]:
    """Random horizontal flip and padded crop, then channel normalisation: to (B, 3, R, R)."""
    size, resolution = len(pixels), pixels.shape[1]
    mean = np.asarray(images.mean, dtype=np.float32)
    deviation = np.asarray(images.deviation, dtype=np.float32)
    flipped = np.where(
        rng.random_sample(size)[:, None, None, None] < 0.5, pixels[:, :, ::-1], pixels
    )
    # The padding is black before normalisation, as in the usual training pipeline.
    p = images.padding
    padded = np.pad(flipped, ((0, 0), (p, p), (p, p), (0, 0)))
    tops, lefts = rng.randint(0, 2 * p + 1, (2, size))
    crops = np.stack(
        [
            image[top : top + resolution, left : left + resolution]
            for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )
    normalised = (crops.astype(np.float32) - mean) / deviation
    return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))


def labelled(name: str) -> tuple[Labelled, Labelled | None]:
    """The training images of a set, and its test images where they lie beside them.

    Raises:
        InputError: The set is unknown, not on this machine, or damaged.
    """
    training, images = _load(name), image_set(name)
    path = images.find()
    return training, None if path is None else images.read_test(path)


@functools.lru_cache(maxsize=2)
def _load(name: str) -> Labelled:
    images = image_set(name)
    path = images.find()
    if path is None:
        raise InputError(f"there are no {name} images on this machine; {images.remedy}")
    return images.read(path)


def read_npz(path: Path) -> Labelled:
    """The first uint8 array of four dimensions of an .npz file, and the first one of labels.

    Raises:
        InputError: The file is damaged, too large, or lacks either.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = sum(member.file_size for member in archive.infolist())
        if content > _LARGEST:
            raise InputError(f"{path} holds {content:,} bytes, more than the {_LARGEST:,} allowed")
        with np.load(path, allow_pickle=False) as arrays_of:
            arrays = {key: arrays_of[key] for key in arrays_of.files}
    except InputError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        TypeError,
        MemoryError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"{path} is no readable .npz file: {error}; fetch it again") from error
    pixels = next((a for a in arrays.values() if a.ndim == 4 and a.dtype == np.uint8), None)
    labels = next((a for a in arrays.values() if a.ndim == 1 and a.dtype.kind in "iu"), None)
    if pixels is None or labels is None or len(pixels) != len(labels):
        raise InputError(f"{path} does not hold uint8 images and as many labels; fetch it again")
    return pixels, labels.astype(np.int64)


def _read_images(path: Path) -> Labelled:
    if path.suffix == ".npz":
        return read_npz(path)
    return archives.read_cifar(path)


def _read_test(path: Path) -> Labelled | None:
    return None if path.suffix == ".npz" else archives.read_cifar(path, test=True)


IMAGE_SETS: dict[str, ImageSet] = {
    s.name: s
    for s in (
        ImageSet(
            "cifar10",
            lambda: data.first_found("cifar-10-python.tar.gz", "cifar10_train_2048.npz"),
            _read_images,
            mean=(125.3, 123.0, 113.9),
            deviation=(63.0, 62.1, 66.7),
            padding=4,
            remedy="run: harness data fetch cifar10",
            read_test=_read_test,
        ),
        ImageSet(
            "cifar100",
            lambda: data.first_found("cifar-100-python.tar.gz"),
            _read_images,
            mean=(129.3, 124.1, 112.4),
            deviation=(68.2, 65.4, 70.4),
            padding=4,
            remedy="run: harness data fetch cifar100",
            read_test=_read_test,
        ),
        ImageSet(
            # A stand-in: 1,000 ImageNet images, one a class, of which the first 120 classes
            # are used; not ImageNet16-120's own list of classes.
            "ImageNet16-120",
            lambda: data.first_found("imagenet16_sample_1000.npz"),
            read_npz,
            mean=(122.68, 116.66, 104.01),
            deviation=(63.22, 61.26, 65.09),
            padding=2,
            remedy="put imagenet16_sample_1000.npz into the folder that HARNESS_DATA names",
        ),
    )
}
