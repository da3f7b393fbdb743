"""Reading pickles without trusting them.

Benchmark files come from the internet as pickles. These readers build plain data only:
dictionaries, lists, numbers, strings and NumPy arrays or scalars of plain types. A file
that names anything else is refused before it runs.
"""

from __future__ import annotations

import pickle
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import InputError

Allowed = Mapping[tuple[str, str], Any]


class ForbiddenGlobal(pickle.UnpicklingError):
    """The pickle names something that it has no business to name."""


def load(
    stream: IO[bytes], origin: Path | str, allowed: Allowed | None = None, **options: Any
) -> Any:
    """Unpickle plain data.

    Args:
        stream: The pickle.
        origin: The file, for messages.
        allowed: Further (module, name) pairs and what stands for each.
        options: As of `pickle.Unpickler` (`encoding`).

    Raises:
        InputError: The pickle is damaged, or names a global that is not allowed.
    """
    with _explained(origin):
        return _Restricted(stream, {**_PLAIN, **(allowed or {})}, **options).load()


def stream_dictionaries(
    stream: IO[bytes],
    origin: Path | str,
    consume: Callable[[dict[Any, Any]], bool],
) -> Any:
    """Unpickle a file larger than memory by consuming its parts as they are completed.

    `consume` is called with every dictionary that the pickle has just filled, innermost
    first. Where it returns True it has taken what it wants: the dictionary is emptied and
    everything read since the last such moment is forgotten. Tensors read as None.

    Args:
        stream: The pickle.
        origin: The file, for messages.
        consume: Sees each dictionary once.

    Returns:
        What is left of the outermost object.

    Raises:
        InputError: The pickle is damaged, names a global that is not allowed, or refers
            to something already forgotten.
    """
    with _explained(origin):
        return _Streaming(stream, consume).load()


class _explained:  # noqa: N801 - reads as a phrase where it is used
    """Turns whatever a damaged pickle raises into one `InputError`."""

    def __init__(self, origin: Path | str) -> None:
        self._origin = origin

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError):
            return
        if isinstance(error, ForbiddenGlobal):
            raise InputError(
                f"{self._origin}: {error}. The file may be hostile and was not read; "
                "get it from its official source"
            ) from error
        # A damaged pickle can raise nearly anything; none of it is a bug of ours.
        if isinstance(error, Exception):
            raise InputError(
                f"{self._origin} is damaged or no pickle of the expected kind "
                f"({type(error).__name__}: {error}); download it again"
            ) from error


# ------------------------------------------------------------------ stand-ins for NumPy

_SCALARS = {"f8": "<f8", "f4": "<f4", "f2": "<f2", "i8": "<i8", "i4": "<i4", "u1": "u1", "b1": "?"}


class _DType:
    """Stands for numpy.dtype: holds a plain little-endian type code and nothing else."""

    def __init__(self, code: str | bytes, align: bool = False, copy: bool = False) -> None:
        if isinstance(code, bytes):  # of Python 2
            code = code.decode("ascii")
        if code not in _SCALARS:
            raise ForbiddenGlobal(f"it holds NumPy data of type {code!r}")
        self.code = _SCALARS[code]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", "|", "=", b"<", b"|", b"="):
            raise ForbiddenGlobal(f"it holds NumPy data of byte order {state[1]!r}")


class _Array:
    """Stands for numpy.ndarray while it is built; `as_array` makes the real one."""

    def __init__(self, *_: object) -> None:
        self._array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        flat = np.frombuffer(raw, dtype=dtype.code)
        self._array = flat.reshape(shape, order="F" if fortran else "C").copy()


def as_array(value: object) -> NDArray[Any]:
    """The array that a pickle held.

    Raises:
        TypeError: It is none.
    """
    if isinstance(value, _Array) and value._array is not None:
        return value._array
    raise TypeError(f"{type(value).__name__} is no array")


def _scalar(dtype: _DType, raw: bytes) -> float | int:
    value: float | int = np.frombuffer(raw, dtype=dtype.code)[0].item()
    return value


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ForbiddenGlobal(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")


def _reconstruct(*_: object) -> _Array:
    return _Array()


_PLAIN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
    **{
        (module, name): stand_in
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name, stand_in in (("scalar", _scalar), ("_reconstruct", _reconstruct))
    },
}


def _find(allowed: Allowed, module: str, name: str) -> Any:
    try:
        return allowed[module, name]
    except KeyError:
        raise ForbiddenGlobal(f"it asks to load {module}.{name}, which is not plain data") from None


class _Restricted(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], allowed: Allowed, **options: Any) -> None:
        super().__init__(stream, **options)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        return _find(self._allowed, module, name)


# ------------------------------------------------------------------ streaming


def _no_tensor(*_: object, **__: object) -> None:
    """Stands for whatever rebuilds a tensor."""


class _Memo:
    """The unpickler's memo, which can forget.

    Strings are by far the most of it and repeat: they are interned and cost four bytes
    each. Globals and types are kept. All else is forgotten on request.
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []
        self._text_of = array("i")
        self._kept: dict[int, Any] = {}
        self._recent: dict[int, Any] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __setitem__(self, index: int, value: Any) -> None:
        self._size = max(self._size, index + 1)
        if index < len(self._text_of):
            self._text_of[index] = -1
        if isinstance(value, str):
            code = self._codes.setdefault(value, len(self._texts))
            if code == len(self._texts):
                self._texts.append(value)
            gap = index - len(self._text_of)
            if gap > 2**24:
                raise pickle.UnpicklingError("its memo numbers are not in order")
            self._text_of.extend([-1] * gap)
            if index == len(self._text_of):
                self._text_of.append(code)
            else:
                self._text_of[index] = code
        elif callable(value) or isinstance(value, _DType):
            self._kept[index] = value
        else:
            self._recent[index] = value

    def __getitem__(self, index: int) -> Any:
        if index < len(self._text_of) and self._text_of[index] >= 0:
            return self._texts[self._text_of[index]]
        if index in self._kept:
            return self._kept[index]
        if index in self._recent:
            return self._recent[index]
        raise pickle.UnpicklingError(f"it refers back to part {index}, which is gone")

    def forget(self) -> None:
        self._recent.clear()


#: The pure-Python unpickler: the C one has no place to look at what it builds.
_PythonUnpickler: Any = pickle._Unpickler


class _Streaming(_PythonUnpickler):  # type: ignore[misc]
    """An unpickler with a look at every dictionary when it is filled."""

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, stream: IO[bytes], consume: Callable[[dict[Any, Any]], bool]) -> None:
        super().__init__(stream)
        self.memo = _Memo()
        self._consume = consume

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" or module.startswith("torch."):
            return _no_tensor
        return _find(_PLAIN, module, name)

    def persistent_load(self, pid: object) -> None:
        return None

    def load_setitems(self) -> None:
        super().load_setitems()
        filled = self.stack[-1]
        if type(filled) is dict and self._consume(filled):
            filled.clear()
            self.memo.forget()

    dispatch[pickle.SETITEMS[0]] = load_setitems
