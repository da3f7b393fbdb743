"""Writes TFRecord files, with a bitwise CRC-32C of its own."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable
from pathlib import Path


@functools.cache
def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # noqa: PLW2901
        table.append(byte)
    return table


def masked_crc(content: bytes) -> int:
    """TFRecord's checksum, by the definition: the Castagnoli polynomial, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _table()[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17 & 0xFFFFFFFF)) + 0xA282EAD8) % 2**32


def record(payload: bytes) -> bytes:
    """One record."""
    head = struct.pack("<Q", len(payload))
    return (
        head
        + struct.pack("<I", masked_crc(head))
        + payload
        + struct.pack("<I", masked_crc(payload))
    )


def write(payloads: Iterable[bytes], path: Path) -> Path:
    """A file of them."""
    path.write_bytes(b"".join(map(record, payloads)))
    return path
