"""TFRecord files and protocol buffers: what is written is read, what is damaged is refused."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.errors import InputError
from benchmarks.readers import protobuf, tfrecord
from tests.benchmarks.nasbench101.records import field, varint
from tests.benchmarks.readers import tfrecords

# A file in pytest's own folder is written anew by every example.
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
PAYLOADS = [b"", b"first", bytes(range(256)) * 5, b"\xff" * 70_000]


def test_checksum_of_the_standard() -> None:
    # RFC 3720, B.4: CRC-32C of 32 zero bytes is 8a9136aa.
    crc = 0x8A9136AA
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
    assert tfrecord.masked_crc(bytes(32)) == tfrecords.masked_crc(bytes(32)) == masked


@SAME_FOLDER
@given(payloads=st.lists(st.binary(max_size=400), max_size=8))
def test_round_trip(payloads: list[bytes], tmp_path: Path) -> None:
    path = tfrecords.write(payloads, tmp_path / "a.tfrecord")
    assert list(tfrecord.records(path)) == list(enumerate(payloads, start=1))


def test_progress_ends_at_the_size(tmp_path: Path) -> None:
    path = tfrecords.write([b"x"] * 3000, tmp_path / "a.tfrecord")
    seen: list[tuple[int, int]] = []
    for _ in tfrecord.records(path, lambda done, total: seen.append((done, total))):
        pass
    size = path.stat().st_size
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)
    assert len(seen) == 3


def test_every_truncation_is_found(tmp_path: Path) -> None:
    raw = b"".join(map(tfrecords.record, [b"one", b"two"]))
    first = len(tfrecords.record(b"one"))
    path = tmp_path / "a.tfrecord"
    for size in range(1, len(raw)):
        if size == first:
            continue
        path.write_bytes(raw[:size])
        number = 1 + (size > first)
        with pytest.raises(InputError, match=rf"a\.tfrecord, record {number}: truncated.*again"):
            list(tfrecord.records(path))


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    raw = b"".join(map(tfrecords.record, [b"one", b"two"]))
    first = len(tfrecords.record(b"one"))
    path = tmp_path / "a.tfrecord"
    for at in range(len(raw)):
        for bit in range(8):
            path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :])
            number = 1 + (at >= first)
            with pytest.raises(InputError, match=rf"record {number}: wrong checksum .*again"):
                list(tfrecord.records(path))


@pytest.mark.parametrize("length", [tfrecord.LONGEST + 1, 1 << 40, 2**64 - 1])
def test_hostile_length_is_refused_unread(length: int, tmp_path: Path) -> None:
    head = struct.pack("<Q", length)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(head + struct.pack("<I", tfrecords.masked_crc(head)) + bytes(100))
    with pytest.raises(InputError, match=rf"record 1: its length is {length}, more than"):
        list(tfrecord.records(path))


def test_records_before_the_damage_come_first(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(tfrecords.record(b"good") + b"bad")
    reader = tfrecord.records(path)
    assert next(reader) == (1, b"good")
    with pytest.raises(InputError, match="record 2"):
        next(reader)


@pytest.mark.parametrize("name", ["nothing", "folder"])
def test_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"cannot read .*{name}"):
        list(tfrecord.records(tmp_path / name))


# ------------------------------------------------------------------ protocol buffers

FIELDS = st.tuples(
    st.integers(1, 2**29 - 1),
    st.one_of(st.integers(0, 2**64 - 1), st.floats(allow_nan=False), st.binary(max_size=200)),
)


@given(st.lists(FIELDS, max_size=10))
def test_fields_round_trip(given_fields: list[tuple[int, int | float | bytes]]) -> None:
    message = b"".join(field(number, value) for number, value in given_fields)
    read = [
        (number, protobuf.double(value) if wire == protobuf.FIXED64 else value)
        for number, wire, value in protobuf.fields(message)
    ]
    assert read == given_fields


def test_fixed32_is_passed_on() -> None:
    assert list(protobuf.fields(varint(7 << 3 | 5) + b"abcd")) == [(7, protobuf.FIXED32, b"abcd")]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\x08", "ends within a number"),
        (b"\x80", "ends within a number"),
        (b"\x08" + b"\xff" * 11, "more than 10 bytes"),
        (b"\x09" + bytes(7), "field 1 has 7 of 8 bytes"),
        (b"\x0d" + bytes(3), "field 1 has 3 of 4 bytes"),
        (b"\x0a\x05abcd", "field 1 has 4 of 5 bytes"),
        (b"\x0a" + varint(2**63) + b"abcd", f"field 1 has 4 of {2**63} bytes"),
        (b"\x0b", "wire type 3"),
        (b"\x0f", "wire type 7"),
    ],
)
def test_malformed_message(message: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(protobuf.fields(message))


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    with contextlib.suppress(ValueError):
        list(protobuf.fields(message))


@pytest.mark.parametrize("raw", [5, b"", bytes(4)])
def test_no_double(raw: int | bytes) -> None:
    with pytest.raises(ValueError, match="a double was expected"):
        protobuf.double(raw)
