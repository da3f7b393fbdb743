"""Where data files lie and how they are fetched.

Files are looked for in the folder that the environment variable HARNESS_DATA names, then in
the user's cache, where `fetch` puts what `sources.toml` pins by url and hash.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.resources
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch

from benchmarks.errors import InputError


@dataclass(frozen=True)
class Source:
    """A downloadable file; fields as in `sources.toml`.

    The hash may be empty, where the origin publishes none: then nothing is checked here.
    """

    name: str
    file: str
    url: str
    hash: str
    size: int
    licence: str
    what: str
    serves: str


@functools.cache
def sources() -> dict[str, Source]:
    """All pinned downloads, by name."""
    text = importlib.resources.files("benchmarks").joinpath("sources.toml").read_text()
    return {
        name: Source(name=name, serves=entry.pop("for"), **entry)
        for name, entry in tomllib.loads(text).items()
    }


def cache_folder() -> Path:
    """Where downloads and imported tables are kept: HARNESS_CACHE, or the user's cache folder."""
    named = os.environ.get("HARNESS_CACHE")
    return Path(named) if named else Path(pooch.os_cache("nas-proxy-harness"))


def folders() -> list[Path]:
    """Where data is looked for, in order.

    Raises:
        InputError: HARNESS_DATA names no folder.
    """
    named = os.environ.get("HARNESS_DATA")
    if not named:
        return [cache_folder()]
    if not Path(named).is_dir():
        raise InputError(
            f"HARNESS_DATA names {named}, which is no folder; set it right or unset it"
        )
    return [Path(named), cache_folder()]


def first_found(*names: str) -> Path | None:
    """The first of the files or folders that lies on this machine, or None."""
    for name in names:
        for folder in folders():
            if (folder / name).exists():
                return folder / name
    return None


def fetch(name: str, *, progress: bool = False) -> Path:
    """Download a pinned file into the cache, or find it there.

    Raises:
        InputError: The source is unknown, cannot be reached, or has another hash than pinned.
    """
    if name not in sources():
        raise InputError(f"unknown data source {name!r}; known: {', '.join(sources())}")
    source = sources()[name]
    try:
        path = pooch.retrieve(
            url=source.url,
            known_hash=source.hash or None,
            fname=source.file,
            path=cache_folder(),
            progressbar=progress,
        )
    except ValueError as error:  # pooch's word for a wrong hash; it keeps nothing then
        raise InputError(
            f"{source.url} does not have the pinned {source.hash}: {error}; "
            "the file changed or the download is damaged, try again later"
        ) from error
    except Exception as error:  # requests and urllib3 raise many kinds for "no network"
        if isinstance(error, OSError):
            raise InputError(
                f"cannot download {source.url}: {error}; download it elsewhere and put it into "
                f"{cache_folder()} or the folder that HARNESS_DATA names"
            ) from error
        raise
    return Path(path)


def parse_json(text: str, path: Path) -> Any:
    """The content of a JSON file; an object's keys must differ.

    Args:
        text: What the file holds.
        path: The file, for messages.

    Raises:
        InputError: The text is no JSON, or a key stands twice.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):  # json would keep the last in silence
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f"{path}: {twice[:200]!r} stands twice; remove one of the two")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}; fetch or export it again") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place only when the block ends well.

    Raises:
        InputError: The folder cannot be written.
    """
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}; choose another place") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
