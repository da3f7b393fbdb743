"""Somebody else's proxies: files named by the user, and installed packages.

A proxy file is one Python file that calls `harness.proxies.register_proxy`. It is named by
`--proxy-file`, or by the environment variable `HARNESS_PROXY_FILES` (paths joined by the system's
path separator), which is also how worker processes learn of it. It is executed: use only files
that you trust. An installed package names a module, or a decorated function in one, in the
entry-point group `nas_proxy_harness.proxies`.

A proxy from a file that states no `version` gets one from the file's content, so that an edited
file never meets scores of its earlier content. Modules that the file imports are not looked at:
keep a proxy in its file, or raise `version` yourself.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.errors import InputError
from benchmarks.registry import NameTakenError, Registry
from harness.scoring.fingerprint import FIRST_HASH, version_of_bytes

__all__ = ["FIRST_HASH", "GROUP", "VARIABLE", "default_version", "load", "use"]

VARIABLE = "HARNESS_PROXY_FILES"
GROUP = "nas_proxy_harness.proxies"

_loaded: set[str] = set()  # proxy files, and the entry-point group, that this process has met
_versions = [1]  # the innermost is that of proxies which state none


def default_version() -> int:
    """Version of a proxy that states none: 1, or the hash of the file that is being loaded."""
    return _versions[-1]


def use(files: Iterable[Path]) -> None:
    """Let this process and those it starts load these proxy files.

    Raises:
        InputError: A file is not there, or its path cannot be handed on.
    """
    named = _named()
    for file in files:
        path = str(file.absolute())
        if not file.is_file():
            raise InputError(f"there is no proxy file {file}; name an existing --proxy-file")
        if os.pathsep in path:
            raise InputError(
                f"the path of the proxy file {path} contains {os.pathsep!r}; rename it"
            )
        if path not in named:
            named.append(path)
    if named:
        os.environ[VARIABLE] = os.pathsep.join(named)


def _named() -> list[str]:
    return [path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path]


def load(registry: Registry[Any]) -> None:
    """Load what this process has not loaded yet; part of every look-up in the registry.

    Raises:
        InputError: A file or package cannot be read, raises, registers nothing or a taken name.
    """
    if GROUP not in _loaded:
        _loaded.add(GROUP)  # before it is done: a plugin may look up proxies itself
        with _forgotten_on_failure(GROUP):
            for entry in importlib.metadata.entry_points(group=GROUP):
                _load_entry_point(entry, registry)
    for path in _named():
        if path not in _loaded:
            _loaded.add(path)
            with _forgotten_on_failure(path):
                _load_file(Path(path), registry)


@contextmanager
def _forgotten_on_failure(name: str) -> Iterator[None]:
    """A failed load is met again, not forgotten."""
    try:
        yield
    except BaseException:
        _loaded.discard(name)
        raise


def _load_file(path: Path, registry: Registry[Any]) -> None:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the proxy file {path}: {error}; correct --proxy-file or {VARIABLE}"
        ) from error
    digest = hashlib.sha256(source).hexdigest()
    # Named by its content, so that files of the same name do not meet in sys.modules.
    module = ModuleType(f"proxy_file_{path.stem}_{digest[:12]}")
    module.__file__ = str(path)
    label = f"the proxy file {path}"
    before = set(registry.names)
    _versions.append(version_of_bytes(source))
    sys.modules[module.__name__] = module
    try:
        with registry.undone_on_failure():
            # What was hashed is what is run, even if the file is being edited.
            exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
            _check_registered(set(registry.names) - before, label)
    except BaseException as error:
        del sys.modules[module.__name__]
        _explain(error, label, "correct the file", path)
        raise
    finally:
        _versions.pop()


def _load_entry_point(entry: importlib.metadata.EntryPoint, registry: Registry[Any]) -> None:
    package = entry.dist.name if entry.dist else "?"
    label = f"the package {package} (entry point {entry.name} = {entry.value})"
    before, first = set(registry.names), entry.module not in sys.modules
    try:
        with registry.undone_on_failure():
            entry.load()
            if first:  # the module of two entry points registers both when the first is loaded
                _check_registered(set(registry.names) - before, label)
    except BaseException as error:
        _explain(error, label, "mend or uninstall it")
        raise


def _check_registered(names: set[str], label: str) -> None:
    if not names:
        raise InputError(
            f"{label} registers no proxy; decorate its score function with "
            '@register_proxy("name", paper="...") of harness.proxies'
        )
    for name in sorted(names):
        if not name.isidentifier():
            raise InputError(
                f"{label} registers {name!r}; a proxy's name has letters, digits and _ only: "
                "choose another"
            )


def _explain(error: BaseException, label: str, remedy: str, path: Path | None = None) -> None:
    """Raise what a user understands; returns where the error is no fault of the plugin."""
    if not isinstance(error, Exception | SystemExit):
        return
    if isinstance(error, InputError) and str(error).startswith(label):
        return
    if isinstance(error, NameTakenError):
        raise InputError(f"{label}: {error}; choose another name") from error
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if path is not None and frame.filename == str(path)
    ]
    line = f", line {lines[-1]}" if lines else ""
    raise InputError(f"{label}{line} raises {type(error).__name__}: {error}; {remedy}") from error
