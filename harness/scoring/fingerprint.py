"""What a function is, as a number: the version of a proxy that states none.

A function that can be imported is what the file of its module says. One of a notebook, of a script
or made by another function is its code, with all that the code refers to: constants, defaults,
closures, globals, and their code in turn. Names of files and numbers of lines do not count, so
that a cell or script that is run again gives the same number.
"""

from __future__ import annotations

import dis
import hashlib
import inspect
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any

import cloudpickle

from benchmarks.errors import InputError

#: Versions from here on are hashes of code: neither is newer than another.
FIRST_HASH = 2**32

_LOADS_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME")


def version_of_bytes(content: bytes) -> int:
    """A version from the content of a file, or of whatever the values depend on."""
    digest = hashlib.sha256(content).digest()
    return FIRST_HASH + int.from_bytes(digest[:7], "big")  # fits SQLite's 64-bit integer


def version_of(function: Callable[..., Any], *options: object) -> int:
    """Version of a function by its code.

    Args:
        function: Any callable; an adapted function (`harness.scoring.adapters`) is looked into.
        options: What its values depend on as well.

    Raises:
        InputError: It refers to something that has no lasting form, such as an open file.
    """
    content = repr(options).encode()
    if not of_module(function):
        content += _pickled(function)
    return version_of_bytes(content + _source_of(inspect.unwrap(function)))


def of_module(function: Callable[..., Any]) -> bool:
    """Whether the file of a function's module tells all of it: one that stands at its top level."""
    nested = "<" in getattr(function, "__qualname__", "<none>")
    return not nested and bool(_source_of(function))


def in_main(function: Callable[..., Any]) -> bool:
    """Whether a function is one of the script or notebook that runs."""
    return getattr(inspect.unwrap(function), "__module__", None) == "__main__"


def _importable(thing: Any) -> bool:
    name = getattr(thing, "__module__", None)
    found: Any = sys.modules.get(name) if name and name != "__main__" else None
    for part in getattr(thing, "__qualname__", "<none>").split("."):
        found = getattr(found, part, None)
    return found is thing


def _source_of(function: Callable[..., Any]) -> bytes:
    name = getattr(function, "__module__", None) or ""
    path = getattr(sys.modules.get(name), "__file__", None) if name != "__main__" else None
    try:
        return Path(path).read_bytes() if path else b""
    except OSError:  # of an archive, or gone: the code itself has been read
        return b""


def _pickled(function: Callable[..., Any]) -> bytes:
    stream = io.BytesIO()
    try:
        _Canonical(stream, protocol=5).dump(function)
    except Exception as error:
        name = getattr(function, "__name__", repr(function))
        raise InputError(
            f"the function {name} refers to something that cannot be pickled "
            f"({type(error).__name__}: {error}), so its version cannot be told; make that inside "
            "the function, or state version=1 and raise it whenever the values change"
        ) from error
    return stream.getvalue()


def _stands_for(name: str) -> str:
    """A function that pickles by its name, in the place of what is pickled by its content."""
    return name


class _Canonical(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles what cannot be imported by its content alone; only to be hashed, never loaded."""

    def reducer_override(self, obj: Any) -> Any:
        """How functions, their code, classes and tensors are written."""
        if isinstance(obj, CodeType):
            constants = [
                # The order of a set of texts differs from one process to the next.
                sorted(map(repr, each)) if isinstance(each, frozenset) else each
                for each in obj.co_consts
            ]
            own = (obj.co_code, constants, obj.co_names, obj.co_varnames, obj.co_freevars)
            return tuple, ((*own, obj.co_argcount, obj.co_kwonlyargcount, obj.co_flags),)
        if isinstance(obj, FunctionType) and not _importable(obj):
            named = {
                k: v for k, v in obj.__globals__.items() if k in set(_globals_of(obj.__code__))
            }
            closure = [_content(cell) for cell in obj.__closure__ or ()]
            state = obj.__code__, obj.__defaults__, obj.__kwdefaults__, closure, named
            # The state is written after the function is known, so it may refer to itself.
            return _stands_for, (obj.__qualname__,), state
        if isinstance(obj, type) and not _importable(obj):
            skipped = ("__dict__", "__weakref__", "__module__")
            members = {k: v for k, v in vars(obj).items() if k not in skipped}
            return _stands_for, (obj.__qualname__,), (obj.__bases__, members)
        torch = sys.modules.get("torch")  # this module loads without it
        if torch is not None and isinstance(obj, torch.Tensor):
            numbers = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return _stands_for, ("tensor",), (str(obj.dtype), tuple(obj.shape), numbers.tobytes())
        return super().reducer_override(obj)


def _globals_of(code: CodeType) -> Iterator[str]:
    """Names of the globals that code reads, that of functions and classes in it too."""
    for step in dis.get_instructions(code):
        if step.opname in _LOADS_GLOBAL:
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
