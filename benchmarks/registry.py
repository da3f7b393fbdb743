"""The one small generic registry: benchmarks and proxies are looked up by name in it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from benchmarks.errors import InputError

T = TypeVar("T")


class NameTakenError(ValueError):
    """An entry's name or alias is another entry's."""


class Registry(Generic[T]):
    """Entries of one kind, found by name or alias.

    Args:
        kind: What the entries are, for messages ("proxy", "benchmark").
        package: Package whose modules hold the entries; each module registers its own
            when imported. All are imported on the first look-up, so that adding an entry
            is adding a file.
        subpackages: The entries are packages in it; its plain modules are something else.
        extend: Called at every look-up, to add entries from elsewhere; cheap once it has.

    >>> colours: Registry[str] = Registry("colour")
    >>> colours.add("red", "#f00", aliases=("rouge",))
    >>> colours["rouge"]
    '#f00'
    >>> colours["rad"]
    Traceback (most recent call last):
    ...
    benchmarks.errors.InputError: unknown colour 'rad'; did you mean 'red'? Known: red
    """

    def __init__(
        self,
        kind: str,
        package: str | None = None,
        *,
        subpackages: bool = False,
        extend: Callable[[Registry[Any]], None] | None = None,
    ) -> None:
        self.kind = kind
        self._package = package
        self._subpackages = subpackages
        self._extend = extend
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        self._discovering = 0

    def add(
        self, name: str, entry: T, aliases: Iterable[str] = (), *, replace: bool = False
    ) -> None:
        """Register `entry`.

        Args:
            name: Its name.
            entry: What the name means.
            aliases: Other names of it.
            replace: Whether an entry of that very name gives way, with its aliases.

        Raises:
            NameTakenError: The name or an alias is taken.
        """
        names = (name, *aliases)
        gone = {name} if replace and name in self._entries else set[str]()
        gone |= {alias for alias, target in self._aliases.items() if target in gone}
        for each in names:
            if each not in gone and (each in self._entries or each in self._aliases):
                raise NameTakenError(f"{self.kind} {each!r} is registered twice")
        for each in gone:
            self._aliases.pop(each, None)
        self._entries[name] = entry
        self._aliases.update(dict.fromkeys(names[1:], name))

    @property
    def names(self) -> list[str]:
        """Names that are registered by now; looks for no others."""
        return list(self._entries)

    @property
    def discovering(self) -> bool:
        """Whether entries that every process finds are being looked for at this moment."""
        return self._discovering > 0

    def registered(self, name: str) -> T | None:
        """The entry of that very name, if there is one by now; looks for no others."""
        return self._entries.get(name)

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """What the block registers is forgotten if it raises."""
        before = dict(self._entries), dict(self._aliases)
        try:
            yield
        except BaseException:
            self._entries, self._aliases = before
            raise

    def _discover(self) -> None:
        self._discovering += 1
        try:
            if self._package is not None:
                self._import(self._package)
            if self._extend is not None:
                self._extend(self)
        finally:
            self._discovering -= 1

    def _import(self, name: str) -> None:
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_") and module.ispkg == self._subpackages:
                importlib.import_module(f"{package.__name__}.{module.name}")
        self._package = None  # only now: a failed import is met again, not forgotten

    def __getitem__(self, name: str) -> T:
        self._discover()
        entry = self._entries.get(self._aliases.get(name, name))
        if entry is None:
            known = sorted(self._entries)
            alike = near(name, [*known, *self._aliases])
            hint = f"; did you mean {' or '.join(map(repr, alike))}?" if alike else "."
            raise InputError(f"unknown {self.kind} {name!r}{hint} Known: {', '.join(known)}")
        return entry

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(sorted(self._entries))

    def aliases(self, name: str) -> list[str]:
        """Other names of the entry `name`."""
        self._discover()
        return sorted(alias for alias, target in self._aliases.items() if target == name)


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Names that somebody may have meant.

    Args:
        name: What was written.
        known: What there is.
        most: So many at most.

    Returns:
        Those that differ in case, hyphens and underscores alone; else those nearly spelled so.

    >>> near("TE-NAS", ["nwot", "te_nas", "az_nas"]), near("vkdnwag", ["vkdnw_agg", "zen"])
    (['te_nas'], ['vkdnw_agg'])
    """
    by_letters: dict[str, list[str]] = {}
    for each in known:
        by_letters.setdefault(_letters(each), []).append(each)
    if _letters(name) in by_letters:
        return by_letters[_letters(name)][:most]
    alike = difflib.get_close_matches(_letters(name), by_letters, n=most)
    return [each for letters in alike for each in by_letters[letters]][:most]


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
