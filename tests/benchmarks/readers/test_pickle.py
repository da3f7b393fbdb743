"""Reading pickles: plain data as pickle reads it, all else refused; streaming that forgets."""

from __future__ import annotations

import io
import pickle
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.errors import InputError
from benchmarks.readers import pickle as unpickle
from tests.benchmarks.readers.hostile import KINDS, bomb


def _load(raw: bytes, **options: Any) -> Any:
    return unpickle.load(io.BytesIO(raw), "the file", **options)


def _stream(raw: bytes, consume: Any = lambda filled: False) -> Any:
    return unpickle.stream_dictionaries(io.BytesIO(raw), "the file", consume)


READERS = pytest.mark.parametrize("read", [_load, _stream], ids=["load", "stream"])

# ------------------------------------------------------------------ plain data

PLAIN: dict[str, object] = {
    "numbers": [1, -(2**70), 0.1, float("inf"), True, None],
    "texts": ["a", "ä", b"bytes\xff", ""],
    "nested": {("cifar10", 777): {"x@1": 1.5}, 3: [(), (1,), (1, 2, 3, 4)]},
    "ordered": OrderedDict([("b", 1), ("a", 2)]),
    "sets": {1, 2, 3},
    "shared": [["once"] * 2, "again", "again"],
    "scalars": [np.float64(0.1), np.float32(0.5), np.int64(-7), np.bool_(True)],
}


@READERS
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN.keys())
def test_plain_data_reads_as_pickle_reads_it(read: Any, protocol: int, value: object) -> None:
    got = read(pickle.dumps(value, protocol=protocol))
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("dtype", ["u1", "<i4", "<i8", "<f4", "<f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays(protocol: int, dtype: str, order: Any) -> None:
    array = np.array(np.arange(6).reshape(2, 3) % 2, dtype=dtype, order=order)
    got = unpickle.as_array(_load(pickle.dumps(array, protocol=protocol)))
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize("value", [None, [1], {}, 1.5])
def test_what_is_no_array_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no array"):
        unpickle.as_array(value)


def test_further_names_can_be_allowed() -> None:
    raw = pickle.dumps(Path("a"), protocol=2)
    with pytest.raises(InputError):
        _load(raw)
    name = (type(Path()).__module__, type(Path()).__name__)
    assert _load(raw, allowed={name: lambda *parts: list(parts)}) == ["a"]


# ------------------------------------------------------------------ refused


@READERS
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_code_does_not_run(read: Any, protocol: int, kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    raw = pickle.dumps({"first": 1, "then": [bomb(kind, marker)]}, protocol=protocol)
    pickle.loads(raw)  # the bomb is live
    marker.rmdir()
    with pytest.raises(InputError, match=r"the file: it asks to load .*may be hostile"):
        read(raw)
    assert not marker.exists()


@READERS
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("collections", "OrderedDict.fromkeys"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("collections", "Counter"),
        ("numpy", "load"),
        ("numpy", "__builtins__"),
        ("builtins", "getattr"),
        ("_codecs", "lookup"),
        ("torchvision", "set"),
    ],
)
def test_only_listed_names_load(read: Any, module: str, name: str) -> None:
    texts = b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, name))
    with pytest.raises(InputError, match=f"{module}.{name}"):
        read(b"\x80\x04" + texts + b"\x93.")


@READERS
@pytest.mark.parametrize(
    "value",
    [
        np.array([1.0], dtype=">f8"),
        np.array([object()], dtype=object),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")]),
        np.array(["text"]),
        np.array([1], dtype="M8[s]"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_other_types_of_numbers_are_refused(read: Any, value: object) -> None:
    with pytest.raises(InputError, match="NumPy data"):
        read(pickle.dumps(value, protocol=4))


@READERS
def test_other_codecs_are_refused(read: Any) -> None:
    raw = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R."
    with pytest.raises(InputError, match="codec 'rot13'"):
        read(raw)


@READERS
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_every_truncation_is_an_input_error(read: Any, protocol: int) -> None:
    raw = pickle.dumps(PLAIN, protocol=protocol)
    read(raw)
    for cut in range(len(raw)):
        with pytest.raises(InputError, match="the file"):
            read(raw[:cut])


# ------------------------------------------------------------------ streaming


def test_dictionaries_come_innermost_first_and_consumed_ones_are_emptied() -> None:
    inner, outer = {"a": 1, "b": 2}, {"c": 3, "d": 4}
    seen: list[dict[Any, Any]] = []

    def consume(filled: dict[Any, Any]) -> bool:
        seen.append(dict(filled))
        return "a" in filled

    left = _stream(pickle.dumps([{"inner": inner, **outer}, "rest"]), consume)
    assert seen == [inner, {"inner": {}, **outer}]
    assert left == [{"inner": {}, **outer}, "rest"]


def _consume_marked(filled: dict[Any, Any]) -> bool:
    return "take" in filled


def test_reference_to_something_forgotten_is_an_error() -> None:
    shared = [1, 2]
    raw = pickle.dumps([{"take": 1, "shared": shared}, {"keep": 1, "shared": shared}])
    assert _stream(raw) == [
        {"take": 1, "shared": [1, 2]},
        {"keep": 1, "shared": [1, 2]},
    ]
    with pytest.raises(InputError, match=r"the file .*refers back to part"):
        _stream(raw, _consume_marked)


def test_strings_and_types_outlive_forgetting() -> None:
    kept: list[object] = []

    def consume(filled: dict[Any, Any]) -> bool:
        if "take" not in filled:
            return False
        kept.append(filled["value"])
        return True

    text = "a string in every part"
    parts = [{"take": text, "value": np.float64(i), text: OrderedDict()} for i in range(3)]
    assert _stream(pickle.dumps(parts), consume) == [{}, {}, {}]
    assert kept == [0.0, 1.0, 2.0]


def test_tensors_read_as_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pickler(pickle.Pickler):
        """As torch.save does: storages lie outside of the pickle."""

        def persistent_id(self, value: object) -> tuple[str, int] | None:
            return ("storage", 0) if isinstance(value, torch.storage.TypedStorage) else None

    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    raw = io.BytesIO()
    Pickler(raw, protocol=2).dump([network.state_dict(), network.state_dict()["0.weight"], "end"])

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a tensor was built")

    for name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
        monkeypatch.setattr(torch._utils, name, fail)
    state, tensor, end = _stream(raw.getvalue())
    assert list(state) == list(network.state_dict())
    assert set(state.values()) == {None}
    assert (tensor, end) == (None, "end")


def test_memory_does_not_grow_with_the_file() -> None:
    keys = [f"ori-test@{epoch}" for epoch in range(500)]
    parts = [{"take": i, "numbers": {key: float(i) for key in keys}} for i in range(60)]
    raw = pickle.dumps(parts, protocol=2)
    del parts

    def peak(read: Any) -> int:
        tracemalloc.start()
        try:
            assert len(read()) == 60
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    whole = peak(lambda: pickle.loads(raw))
    streamed = peak(lambda: _stream(raw, _consume_marked))
    assert streamed < whole / 4
