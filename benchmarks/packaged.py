"""Tables that travel with a benchmark's package: a folder of CSV files with leading lines."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from benchmarks.errors import InputError

T = TypeVar("T")


class Packaged(Mapping[str, T]):
    """The files `<key>.csv` of a folder in a package, read when asked for.

    Args:
        package: "benchmarks.nasbench201" ...
        folder: In it.
        parse: Makes a table of a file's content and its name.
        first: Key of the table that is taken where none is named.
    """

    def __init__(
        self, package: str, folder: str, parse: Callable[[str, str], T], first: str
    ) -> None:
        self._package, self._name, self._parse, self._first = package, folder, parse, first
        self._read: dict[str, T] = {}

    @property
    def _folder(self) -> Traversable:
        return importlib.resources.files(self._package).joinpath(self._name)

    def __iter__(self) -> Iterator[str]:
        files = self._folder.iterdir() if self._folder.is_dir() else ()
        keys = [Path(file.name).stem for file in files if file.name.endswith(".csv")]
        return iter(sorted(keys, key=lambda key: (key != self._first, key)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getitem__(self, key: str) -> T:
        """The table called `key`.

        Raises:
            KeyError: There is none.
            InputError: The file is not of its form.
        """
        if key not in list(self):
            raise KeyError(key)
        if key not in self._read:
            text = self._folder.joinpath(f"{key}.csv").read_text("utf-8")
            name = f"{self._package.replace('.', '/')}/{self._name}/{key}.csv"
            self._read[key] = self._parse(text, name)
        return self._read[key]


def leading(text: str, name: str, kinds: Mapping[str, str]) -> tuple[dict[str, list[str]], str]:
    """Leading lines `# kind: words` of a file, and what follows them.

    Args:
        text: Content of the file.
        name: Of the file, for messages.
        kinds: That there are, and what each states.

    Returns:
        By kind, what is said; the rest of the file.

    Raises:
        InputError: A leading line is of no kind.
    """
    said: dict[str, list[str]] = {kind: [] for kind in kinds}
    lines = text.splitlines()
    body = [line for line in lines if not line.startswith("#")]
    for line in lines[: len(lines) - len(body)]:
        kind, colon, words = line.lstrip("# ").partition(":")
        if not colon or kind not in said:
            known = ", ".join(f"'# {each}: ...'" for each in kinds)
            raise InputError(f"{name}: {line!r} should be a leading line, one of {known}")
        said[kind].append(words.strip())
    return said, "\n".join(body)


def need(said: Mapping[str, list[str]], name: str, kinds: Mapping[str, str]) -> None:
    """See that leading lines are there.

    Args:
        said: Of `leading`.
        name: Of the file.
        kinds: That it needs, and what each states.

    Raises:
        InputError: One is missing.
    """
    for kind, what in kinds.items():
        if not said[kind]:
            raise InputError(f"{name}: it has no line '# {kind}: ...'; state {what}")
