"""What lies in archives: images of the CIFAR archives, pickles within bz2, zip and torch files."""

from __future__ import annotations

import bz2
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError
from benchmarks.readers import pickle

_CIFAR10_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


def read_cifar(path: Path, *, test: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images of the official CIFAR-10 or CIFAR-100 archive for Python.

    Args:
        path: The archive.
        test: The test images instead of the training images.

    Returns:
        Images (50000, 32, 32, 3) uint8 and labels (50000,); 10000 for testing.

    Raises:
        InputError: The archive is damaged or of another kind.
    """
    images, labels = [], []
    try:
        with tarfile.open(path) as archive:
            for member in sorted(archive.getmembers(), key=lambda m: m.name):
                stem = member.name.rpartition("/")[2]
                wanted = ("test", "test_batch") if test else ("train", *_CIFAR10_BATCHES)
                if stem not in wanted:
                    continue
                stream = archive.extractfile(member)
                if stream is None:
                    continue
                content = pickle.load(
                    io.BytesIO(stream.read()), f"{path}:{member.name}", encoding="bytes"
                )
                images.append(pickle.as_array(content[b"data"]))
                labels.append(np.asarray(content.get(b"labels", content.get(b"fine_labels"))))
        pixels = np.concatenate(images).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        targets = np.concatenate(labels).astype(np.int64)
        if len(targets) != len(pixels):
            raise ValueError("as many labels as images expected")
        return pixels.astype(np.uint8), targets
    except (
        OSError,
        EOFError,
        tarfile.TarError,
        zlib.error,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is no readable CIFAR archive: {error}; fetch it again") from error


def pickles(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """The pickle with the data: in bz2, in a zip of torch.save, or in torch's older format.

    Args:
        path: The file, for messages.
        raw: Its content, at the beginning.

    Raises:
        InputError: It is a zip file without such a pickle, or damaged.
    """
    magic = raw.read(4)
    raw.seek(0)
    if magic[:3] == b"BZh":
        with bz2.open(raw) as stream:
            yield stream
    elif magic == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(raw) as archive:
                name = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
                if name is None:
                    raise InputError(f"{path} is a zip file without data.pkl, so not torch's")
                with archive.open(name) as stream:
                    yield stream
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise InputError(f"{path} is damaged: {error}; download it again") from error
    else:
        # Three small pickles (magic number, protocol, system) precede the object.
        for _ in range(3):
            pickle.load(raw, path)
        yield raw
