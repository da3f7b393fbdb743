"""Files that describe one architecture: what `harness search` finds, or a public string."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.types import Benchmark, HasFiles, HasSqueezeExcitation, Recognises


@dataclass(frozen=True)
class Description:
    """One architecture and what its network is for.

    Attributes:
        benchmark: Whose space it is of.
        architecture: A point of that space.
        dataset: Fixes resolution and classes.
        se: Whether the network is to have squeeze-and-excitation.
    """

    benchmark: Benchmark
    architecture: Any
    dataset: str
    se: bool = False


def described(
    given: str | int | Path, space: str | None = None, dataset: str | None = None
) -> Description:
    """The architecture that a file, a text or an index describes.

    Args:
        given: A path of a file that is there, or whatever a space's `parse` takes: a cell or
            structure string, a hash, an index.
        space: Whose; default: as of `read`.
        dataset: Default: as of `read`.

    Raises:
        InputError: It names no architecture, or a file that is not there.
    """
    if isinstance(given, Path) or _is_file(str(given)):
        return read(Path(str(given)), space, dataset)
    text = str(given).strip()
    if not any(sign in text for sign in "|~(") and Path(text).suffix in (".json", ".txt"):
        return read(Path(text), space, dataset)  # meant as a file: it says that there is none
    return _of_text(text, {}, space, dataset)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a structure string may be longer than any file name
        return False


def read(path: Path, space: str | None = None, dataset: str | None = None) -> Description:
    """The architecture that a file describes.

    The file is JSON, {"space": ..., "architecture": ..., "dataset": ..., "se": false}, of which
    the last two may be missing and other fields are notes; or it is whatever a space's `parse`
    takes: a structure string, an index, a hash, a model file of that space. Lines that begin
    with # are comments there.

    Args:
        path: The file.
        space: Whose; default: that of the file, or the one that recognises the text.
        dataset: Default: that of the file, or the space's first.

    Raises:
        InputError: The file cannot be read, names no architecture, or contradicts `space`.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the architecture file {path}: {error}") from error
    fields = _fields(content)
    try:
        if fields is None:
            lines = (line for line in content.splitlines() if not line.lstrip().startswith("#"))
            return _of_text("\n".join(lines).strip(), {}, space, dataset)
        text, benchmark = _checked(fields, space)
        return _of_text(text, fields, benchmark.name, dataset)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _of_text(
    text: str, fields: dict[str, Any], space: str | None, dataset: str | None
) -> Description:
    """The architecture that a text names, with the other fields of its file."""
    benchmark = _recognised(text) if space is None else BENCHMARKS[space]
    space_of, dataset = benchmark.space, dataset or fields.get("dataset")
    architecture = space_of.parse(text)
    if dataset is None and isinstance(space_of, HasFiles):
        dataset = space_of.own_dataset(architecture)
    dataset = space_of.dataset(dataset or next(iter(space_of.datasets))).name
    return Description(benchmark, architecture, dataset, fields.get("se", False))


def _fields(content: str) -> dict[str, Any] | None:
    """The fields of a file in the form of `read`; None where it is of another."""
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"architecture", "space"} & set(found) else None


def _checked(fields: dict[str, Any], space: str | None) -> tuple[str, Benchmark]:
    for name in ("space", "architecture"):
        if name not in fields:
            raise InputError(f"there is no field {name!r}; it needs space and architecture")
    kinds = (("space", str), ("dataset", str), ("se", bool))
    for name, kind in kinds:
        if not isinstance(fields.get(name, kind()), kind):
            raise InputError(f"the field {name!r} is {fields[name]!r}, not a {kind.__name__}")
    benchmark = BENCHMARKS[fields["space"]]
    if space is not None and BENCHMARKS[space] is not benchmark:
        raise InputError(f"it is of {benchmark.name}, not of {space}; leave --space out")
    if fields.get("se") and not isinstance(benchmark.space, HasSqueezeExcitation):
        raise InputError(f"{benchmark.name} has no squeeze-and-excitation; set se to false")
    named = fields["architecture"]
    return named if isinstance(named, str) else json.dumps(named), benchmark


def _recognised(text: str) -> Benchmark:
    """The benchmark whose architecture a text is meant to be."""
    known = [BENCHMARKS[name] for name in BENCHMARKS]
    names = ", ".join(benchmark.name for benchmark in known)
    if not text:
        raise InputError("it is empty; write an architecture string into it")
    found = [benchmark for benchmark in known if _claims(benchmark, text)]
    if len(found) == 1:
        return found[0]
    shown = repr(text if len(text) < 80 else f"{text[:80]}...")
    if found:
        several = " and of ".join(benchmark.name for benchmark in found)
        raise InputError(f"{shown} may be of {several}; choose with --space")
    raise InputError(
        f"{shown} is no architecture of any of {names}; name its space with --space to see what "
        "that one expects"
    )


def _claims(benchmark: Benchmark, text: str) -> bool:
    space = benchmark.space
    if isinstance(space, Recognises) and space.recognises(text):
        return True
    try:
        space.parse(text)
    except InputError:
        return False
    return True
