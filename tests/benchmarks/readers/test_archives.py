"""CIFAR archives: official ones, hostile and damaged ones."""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.readers import archives
from tests.benchmarks.readers.hostile import KINDS, bomb


def _python2_pickle(content: dict[bytes, object]) -> bytes:
    """As Python 2 wrote it: byte strings, and NumPy's module under its older name."""

    def save_bytes(pickler: Any, value: bytes) -> None:
        pickler.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        pickler.memoize(value)

    stream = io.BytesIO()
    pickler: Any = pickle._Pickler(stream, protocol=2)
    pickler.dispatch = {**pickler.dispatch, bytes: save_bytes}
    pickler.dump(content)
    return stream.getvalue().replace(b"numpy._core.", b"numpy.core.")


def _images(count: int, seed: int) -> NDArray[np.uint8]:
    return np.random.RandomState(seed).randint(0, 256, (count, 3072)).astype(np.uint8)


def _archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, raw in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


def _batch(labels: list[int], seed: int, key: bytes = b"labels") -> bytes:
    return _python2_pickle({b"batch_label": b"a", key: labels, b"data": _images(len(labels), seed)})


def _pixels(flat: NDArray[np.uint8]) -> list[Any]:
    """Channel planes of 1,024 bytes each, to nested lists [image][row][column][channel]."""
    return [
        [
            [[int(image[1024 * c + 32 * y + x]) for c in range(3)] for x in range(32)]
            for y in range(32)
        ]
        for image in flat
    ]


def test_cifar10_archive(tmp_path: Path) -> None:
    folder = "cifar-10-batches-py"
    path = _archive(
        tmp_path / "cifar-10-python.tar.gz",
        {
            f"{folder}/batches.meta": _python2_pickle({b"label_names": [b"airplane"]}),
            f"{folder}/data_batch_2": _batch([3, 4], seed=2),
            f"{folder}/data_batch_1": _batch([9, 0, 1], seed=1),
            f"{folder}/test_batch": _batch([5], seed=3),
            f"{folder}/readme.html": b"<html>",
        },
    )
    images, labels = archives.read_cifar(path)
    assert images.shape == (5, 32, 32, 3)
    assert images.dtype == np.uint8
    assert labels.tolist() == [9, 0, 1, 3, 4]
    assert labels.dtype == np.int64
    assert images.tolist() == _pixels(_images(3, 1)) + _pixels(_images(2, 2))
    images, labels = archives.read_cifar(path, test=True)
    assert labels.tolist() == [5]
    assert images.tolist() == _pixels(_images(1, 3))


def test_cifar100_archive(tmp_path: Path) -> None:
    train = _python2_pickle(
        {b"coarse_labels": [1, 2], b"fine_labels": [99, 7], b"data": _images(2, 0)}
    )
    members = {
        "cifar-100-python/train": train,
        "cifar-100-python/test": _batch([1], 1, b"fine_labels"),
    }
    images, labels = archives.read_cifar(_archive(tmp_path / "cifar-100-python.tar.gz", members))
    assert labels.tolist() == [99, 7]
    assert images.tolist() == _pixels(_images(2, 0))
    path = tmp_path / "cifar-100-python.tar.gz"
    assert archives.read_cifar(path, test=True)[1].tolist() == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_cifar_archive(kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    raw = pickle.dumps({b"data": bomb(kind, marker), b"labels": [1]}, protocol=2)
    path = _archive(tmp_path / "cifar.tar.gz", {"c/data_batch_1": raw})
    with pytest.raises(InputError, match=r"cifar\.tar\.gz:c/data_batch_1: .*may be hostile"):
        archives.read_cifar(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {b"data": "text", b"labels": [1]},
        {b"data": np.zeros((1, 3072), np.uint8)},
        {b"data": np.zeros((1, 3071), np.uint8), b"labels": [1]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": ["cat"]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]},
    ],
    ids=["none", "list", "empty", "text", "no labels", "pixel missing", "name", "label missing"],
)
def test_cifar_archive_of_another_content(content: object, tmp_path: Path) -> None:
    raw = pickle.dumps(content, protocol=2)
    path = _archive(tmp_path / "cifar.tar.gz", {"c/data_batch_1": raw})
    with pytest.raises(InputError, match=r"cifar\.tar\.gz"):
        archives.read_cifar(path)


def test_archive_without_images(tmp_path: Path) -> None:
    path = _archive(tmp_path / "cifar.tar.gz", {"c/other": b""})
    with pytest.raises(InputError, match=r"cifar\.tar\.gz is no readable CIFAR archive"):
        archives.read_cifar(path)


@pytest.mark.parametrize("fraction", [0, 0.01, 0.5, 0.9])
def test_truncated_cifar_archive(fraction: float, tmp_path: Path) -> None:
    path = _archive(tmp_path / "cifar.tar.gz", {"c/data_batch_1": _batch([1] * 50, seed=0)})
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * fraction)])
    with pytest.raises(InputError, match=r"(?s)cifar\.tar\.gz.*again"):
        archives.read_cifar(path)


def test_damaged_cifar_archive_reads_or_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cifar.tar.gz"
    plain = {b"data": _images(9, 0) // 64, b"labels": [1] * 9}
    good = _archive(path, {"c/data_batch_1": _python2_pickle(plain)}).read_bytes()
    refused = []
    for position in range(0, len(good), 37):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x55]) + good[position + 1 :])
        with contextlib.suppress(InputError):
            archives.read_cifar(path)
            continue
        refused.append(position)
    assert len(refused) > 10


def test_other_file_than_an_archive(tmp_path: Path) -> None:
    for content in (b"", b"text", gzip.compress(b"text")):
        path = tmp_path / "cifar.tar.gz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"cifar\.tar\.gz is no readable CIFAR archive"):
            archives.read_cifar(path)
