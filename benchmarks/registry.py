"""The one small generic registry: benchmarks and proxies are looked up by name in it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from benchmarks.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries of one kind, found by name or alias.

    Args:
        kind: What the entries are, for messages ("proxy", "benchmark").
        package: Package whose modules hold the entries; each module registers its own
            when imported. All are imported on the first look-up, so that adding an entry
            is adding a file.
        subpackages: The entries are packages in it; its plain modules are something else.

    >>> colours: Registry[str] = Registry("colour")
    >>> colours.add("red", "#f00", aliases=("rouge",))
    >>> colours["rouge"]
    '#f00'
    >>> colours["rad"]
    Traceback (most recent call last):
    ...
    benchmarks.errors.InputError: unknown colour 'rad'; did you mean 'red'? Known: red
    """

    def __init__(self, kind: str, package: str | None = None, *, subpackages: bool = False) -> None:
        self.kind = kind
        self._package = package
        self._subpackages = subpackages
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}

    def add(self, name: str, entry: T, aliases: Iterable[str] = ()) -> None:
        """Register `entry`.

        Raises:
            ValueError: The name or an alias is taken.
        """
        names = (name, *aliases)
        for each in names:
            if each in self._entries or each in self._aliases:
                raise ValueError(f"{self.kind} {each!r} is registered twice")
        self._entries[name] = entry
        self._aliases.update(dict.fromkeys(names[1:], name))

    def _discover(self) -> None:
        if self._package is None:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_") and module.ispkg == self._subpackages:
                importlib.import_module(f"{package.__name__}.{module.name}")
        self._package = None  # only now: a failed import is met again, not forgotten

    def __getitem__(self, name: str) -> T:
        self._discover()
        entry = self._entries.get(self._aliases.get(name, name))
        if entry is None:
            known = sorted(self._entries)
            near = difflib.get_close_matches(name, [*known, *self._aliases], n=3)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
            raise InputError(f"unknown {self.kind} {name!r}{hint} Known: {', '.join(known)}")
        return entry

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(sorted(self._entries))

    def aliases(self, name: str) -> list[str]:
        """Other names of the entry `name`."""
        self._discover()
        return sorted(alias for alias, target in self._aliases.items() if target == name)
