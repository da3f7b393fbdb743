"""Reading TFRecord files as a stream, without TensorFlow.

A record is: its length (uint64, little endian), the masked CRC-32C of the length (uint32), the
payload, the masked CRC-32C of the payload (uint32). Both checksums are checked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from benchmarks.errors import InputError

#: Longer records are refused before they are read; those of NAS-Bench-101 have 700 bytes.
LONGEST = 1 << 24

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_REMEDY = "the file is damaged or no TFRecord file: download it again"


def masked_crc(content: bytes) -> int:
    """CRC-32C, rotated right by 15 bits, plus a constant, modulo 2^32: TFRecord's checksum.

    >>> hex(masked_crc(b"123456789"))  # the unmasked one is 0xe3069283
    '0xc78ab0e5'
    """
    crc = int(google_crc32c.value(content))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(
    path: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[tuple[int, bytes]]:
    """Records of a file, one after the other.

    Args:
        path: The file, not compressed.
        progress: Called now and then with (done, total) in bytes.

    Yields:
        Record number, counted from 1, and payload.

    Raises:
        InputError: The file cannot be read or is truncated, a length is absurd, a checksum is
            wrong. The message names file and record number.
    """
    try:
        with path.open("rb") as stream:
            yield from _records(stream, path, progress)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}; {_REMEDY}") from error


def _records(
    stream: BinaryIO, path: Path, progress: Callable[[int, int], None]
) -> Iterator[tuple[int, bytes]]:
    total = path.stat().st_size
    done, number = 0, 0
    while header := stream.read(_HEADER.size):
        number += 1
        if len(header) < _HEADER.size:
            raise _damaged(path, number, f"truncated: its head has {len(header)} of 12 bytes")
        length, crc = _HEADER.unpack(header)
        if masked_crc(header[:8]) != crc:
            raise _damaged(path, number, f"wrong checksum of its length {length}")
        if length > LONGEST:
            raise _damaged(path, number, f"its length is {length}, more than {LONGEST} bytes")
        body = stream.read(length + _CHECKSUM.size)
        if len(body) < length + _CHECKSUM.size:
            raise _damaged(path, number, f"truncated: {len(body)} of {length + 4} bytes are left")
        payload = body[:length]
        if masked_crc(payload) != _CHECKSUM.unpack_from(body, length)[0]:
            raise _damaged(path, number, f"wrong checksum of its {length} bytes")
        yield number, payload
        done += _HEADER.size + len(body)
        if number % 1024 == 0:
            progress(done, total)
    progress(done, total)


def _damaged(path: Path, number: int, what: str) -> InputError:
    return InputError(f"{path}, record {number}: {what}; {_REMEDY}")
