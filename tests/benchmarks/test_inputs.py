"""Mini-batches: functions of (image set, dataset, seed, size), made as in training."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks import data, inputs
from benchmarks.errors import InputError
from benchmarks.nasbench201.space import NASBench201Space
from benchmarks.types import Batch, Dataset

DATASETS = NASBench201Space.datasets
CIFAR10 = DATASETS["cifar10"]
IMAGENET = DATASETS["ImageNet16-120"]


@pytest.fixture(autouse=True)
def _nothing_loaded() -> Iterator[None]:
    """Image sets are kept in memory for a process; each test has its own."""
    inputs._load.cache_clear()
    yield
    inputs._load.cache_clear()


def _equal(one: Batch, two: Batch) -> bool:
    return torch.equal(one.inputs, two.inputs) and torch.equal(one.targets, two.targets)


# ------------------------------------------------------------------ noise


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS.keys())
def test_noise(dataset: Dataset) -> None:
    batch = inputs.batch("gaussian", dataset, size=400, seed=0)
    r = dataset.resolution
    assert (batch.inputs.shape, batch.inputs.dtype) == ((400, 3, r, r), torch.float32)
    assert (batch.targets.shape, batch.targets.dtype) == ((400,), torch.int64)
    assert batch.source == "gaussian"
    assert 0 <= int(batch.targets.min()) <= int(batch.targets.max()) < dataset.classes
    assert len(batch.targets.unique()) > 0.9 * dataset.classes
    assert float(batch.inputs.mean()) == pytest.approx(0, abs=0.01)
    assert float(batch.inputs.std()) == pytest.approx(1, abs=0.01)


def test_noise_is_a_function_of_dataset_seed_and_size() -> None:
    keys = list(itertools.product(("cifar10", "cifar10-valid"), (0, 1, 2), (4, 5)))
    batches = [inputs.batch("gaussian", DATASETS[name], size, seed) for name, seed, size in keys]
    np.random.seed(1)
    torch.manual_seed(1)
    again = [inputs.batch("gaussian", DATASETS[name], size, seed) for name, seed, size in keys]
    for i, j in itertools.product(range(len(keys)), repeat=2):
        assert _equal(batches[i], again[j]) == (i == j), (keys[i], keys[j])


def test_global_generators_are_left_alone() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(0)
    np.random.seed(0)
    inputs.batch("gaussian", CIFAR10, 4, 7)
    assert (torch.rand(1), np.random.rand()) == expected


def test_noise_stays_the_same_over_versions() -> None:
    # Scores that a user has stored rest on these numbers.
    batch = inputs.batch("gaussian", CIFAR10, 2, 0)
    rng = np.random.RandomState([0, *b"cifar10"])
    expected = rng.standard_normal((2, 3, 32, 32)).astype(np.float32)
    np.testing.assert_array_equal(batch.inputs.numpy(), expected)


# ------------------------------------------------------------------ images


def _put(folder: Path, name: str, pixels: NDArray[np.generic], labels: NDArray[np.generic]) -> Path:
    path = folder / name
    np.savez(path, images=pixels, labels=labels)
    return path


def _random_images(count: int, resolution: int) -> NDArray[np.uint8]:
    shape = (count, resolution, resolution, 3)
    return np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("source", "file", "dataset"),
    [
        ("cifar10", "cifar10_train_2048.npz", CIFAR10),
        ("ImageNet16-120", "imagenet16_sample_1000.npz", IMAGENET),
    ],
)
def test_images_are_flipped_cropped_and_normalised(
    source: str, file: str, dataset: Dataset, cache: Path
) -> None:
    pixels = _random_images(10, dataset.resolution)
    _put(cache, file, pixels, np.arange(10))
    images, r = inputs.image_set(source), dataset.resolution
    span = 2 * images.padding + 1
    found: list[tuple[bool, int, int]] = []
    for seed in range(10):
        batch = inputs.batch(source, dataset, size=8, seed=seed)
        assert (batch.inputs.shape, batch.inputs.dtype) == ((8, 3, r, r), torch.float32)
        assert batch.targets.dtype == torch.int64
        assert batch.source == source
        assert len(set(batch.targets.tolist())) == 8  # drawn without replacement
        for tensor, label in zip(batch.inputs, batch.targets, strict=True):
            restored = tensor.numpy().transpose(1, 2, 0) * images.deviation + images.mean
            crop = np.rint(restored).astype(np.int64)
            np.testing.assert_allclose(restored, crop, atol=1e-3)
            padded = np.pad(pixels[label], [(images.padding,) * 2] * 2 + [(0, 0)])
            ways = [
                (flip, top, left)
                for flip, top, left in itertools.product((False, True), range(span), range(span))
                if np.array_equal(
                    (padded[:, ::-1] if flip else padded)[top : top + r, left : left + r], crop
                )
            ]
            assert len(ways) == 1
            found += ways
    flips, tops, lefts = (set(each) for each in zip(*found, strict=True))
    assert flips == {False, True}
    assert tops == lefts == set(range(span))


def test_image_batches_are_functions_of_dataset_seed_and_size(cache: Path) -> None:
    _put(cache, "cifar10_train_2048.npz", _random_images(20, 32), np.arange(20) % 10)
    keys = list(itertools.product(("cifar10", "cifar10-valid"), (0, 1), (4, 5)))
    batches = [inputs.batch("cifar10", DATASETS[name], size, seed) for name, seed, size in keys]
    again = [inputs.batch("cifar10", DATASETS[name], size, seed) for name, seed, size in keys]
    for i, j in itertools.product(range(len(keys)), repeat=2):
        assert _equal(batches[i], again[j]) == (i == j), (keys[i], keys[j])


def test_images_of_further_classes_are_left_out(cache: Path) -> None:
    _put(cache, "imagenet16_sample_1000.npz", _random_images(200, 16), np.arange(200)[::-1])
    batch = inputs.batch("ImageNet16-120", IMAGENET, 120, 0)
    assert sorted(batch.targets.tolist()) == list(range(120))
    with pytest.raises(InputError, match="has 120 images here, fewer than the batch of 121"):
        inputs.batch("ImageNet16-120", IMAGENET, 121, 0)


def test_too_small_a_set(cache: Path) -> None:
    _put(cache, "cifar10_train_2048.npz", _random_images(3, 32), np.arange(3))
    assert len(inputs.batch("cifar10", CIFAR10, 3, 0).targets) == 3
    with pytest.raises(InputError, match="cifar10 has 3 images here, fewer than the batch of 4"):
        inputs.batch("cifar10", CIFAR10, 4, 0)


def test_images_of_another_resolution(cache: Path) -> None:
    _put(cache, "cifar10_train_2048.npz", _random_images(4, 32), np.arange(4))
    small = dataclasses.replace(CIFAR10, resolution=16)
    with pytest.raises(InputError, match="cifar10 images have 32 pixels a side, cifar10 takes 16"):
        inputs.batch("cifar10", small, 2, 0)


@pytest.mark.parametrize("name", ["svhn", "Gaussian", ""])
def test_unknown_input(name: str) -> None:
    message = f"unknown input '{name}'; known: gaussian, cifar10, cifar100, ImageNet16-120"
    for call in (
        lambda: inputs.batch(name, CIFAR10, 2, 0),
        lambda: inputs.image_set(name),
        lambda: inputs.available(name),
    ):
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("name", inputs.IMAGE_SETS)
def test_missing_images(name: str) -> None:
    assert not inputs.available(name)
    images = inputs.image_set(name)
    with pytest.raises(InputError, match=f"no {name} images on this machine") as caught:
        inputs.batch(name, CIFAR10, 2, 0)
    assert images.remedy in str(caught.value)


def test_remedies_name_what_can_be_fetched() -> None:
    for name, images in inputs.IMAGE_SETS.items():
        if images.remedy.startswith("run: harness data fetch "):
            assert images.remedy.rpartition(" ")[2] in data.sources(), name


# ------------------------------------------------------------------ damaged files

_FILE = "cifar10_train_2048.npz"


def _refused(path: Path) -> None:
    with pytest.raises(InputError, match=f"{path.name}.*fetch it again"):
        inputs.batch("cifar10", CIFAR10, 2, 0)


@pytest.mark.parametrize("fraction", [0, 0.01, 0.5, 0.99])
def test_truncated_images(fraction: float, cache: Path) -> None:
    path = _put(cache, _FILE, _random_images(4, 32), np.arange(4))
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * fraction)])
    _refused(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_images(compressed: bool, cache: Path) -> None:
    path = cache / _FILE
    save = np.savez_compressed if compressed else np.savez
    save(path, images=_random_images(4, 32), labels=np.arange(4))
    raw = path.read_bytes()
    path.write_bytes(raw[:400] + bytes(b ^ 0x55 for b in raw[400:440]) + raw[440:])
    _refused(path)


def test_files_that_hold_something_else(cache: Path) -> None:
    pixels, labels = _random_images(4, 32), np.arange(4)
    _refused(_put(cache, _FILE, pixels[..., 0], labels))
    _refused(_put(cache, _FILE, pixels.astype(np.float32), labels))
    _refused(_put(cache, _FILE, pixels, labels[:3]))
    _refused(_put(cache, _FILE, pixels, np.array(["cat", "dog", "cat", "dog"])))
    _refused(_put(cache, _FILE, pixels, np.array([object()] * 4, dtype=object)))


def test_single_array_instead_of_an_archive(cache: Path) -> None:
    path = cache / _FILE
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    _refused(path)


# ------------------------------------------------------------------ real images


@pytest.mark.parametrize("name", ["cifar10", "ImageNet16-120"])
def test_real_images(name: str, real_data: Path) -> None:
    assert inputs.available(name)
    dataset = DATASETS[name]
    batch = inputs.batch(name, dataset, size=100, seed=0)
    r = dataset.resolution
    assert (batch.inputs.shape, batch.inputs.dtype) == ((100, 3, r, r), torch.float32)
    assert _equal(batch, inputs.batch(name, dataset, size=100, seed=0))
    assert not _equal(batch, inputs.batch(name, dataset, size=100, seed=1))
    assert 0 <= int(batch.targets.min()) <= int(batch.targets.max()) < dataset.classes
    assert len(batch.targets.unique()) >= 10
    # Normalised by the statistics of the whole set; black padding lowers the mean a little.
    assert float(batch.inputs.mean()) == pytest.approx(0, abs=0.4)
    assert float(batch.inputs.std()) == pytest.approx(1, abs=0.3)
