"""The wire format of protocol buffers: fields of one message, by number. Knows no schema."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_DOUBLE = struct.Struct("<d")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Fields of a message in the order of the bytes.

    Yields:
        Number, wire type, and value: a non-negative int of a `VARINT`, else the raw bytes.

    Raises:
        ValueError: The message is truncated or malformed, or uses groups.

    >>> list(fields(bytes([0x08, 0x96, 0x01, 0x12, 0x02, 0x68, 0x69])))
    [(1, 0, 150), (2, 2, b'hi')]
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, at = _varint(message, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if size > len(message) - at:
            raise ValueError(f"field {number} has {len(message) - at} of {size} bytes")
        yield number, wire, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(message):
            raise ValueError("it ends within a number")
        byte = message[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError(f"a number of more than 10 bytes at byte {at}")


def double(raw: int | bytes) -> float:
    """The value of a `FIXED64` field that is a double.

    Raises:
        ValueError: It is no such field.

    >>> double(bytes(8))
    0.0
    """
    if not isinstance(raw, bytes) or len(raw) != _DOUBLE.size:
        raise ValueError("a double was expected")
    value: float = _DOUBLE.unpack(raw)[0]
    return value
