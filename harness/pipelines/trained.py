"""Tables of trained models: what was trained here, beside what a paper reports."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.registry import near
from benchmarks.trained import Column, Group, TrainedTable
from benchmarks.types import (
    Benchmark,
    HasFigures,
    HasSizeAt,
    HasSizedDataset,
    HasUnsized,
    SearchSpace,
)
from harness import paths
from harness.report import folders
from harness.report import training as training_report
from harness.report.environment import environment
from harness.training.compared import Comparison
from harness.training.recipe.protocol import protocol
from harness.training.result import Training

_SHOWN = 40


def names() -> list[str]:
    """Names of all tables: of a benchmark's first, the benchmark's."""
    found = []
    for name in BENCHMARKS:
        keys = list(BENCHMARKS[name].trained)
        found += [name if key == keys[0] else f"{name}/{key}" for key in keys]
    return found


def table(name: str) -> tuple[Benchmark, TrainedTable]:
    """A table by its name.

    Args:
        name: "uninas", or "uninas/KEY".

    Raises:
        InputError: There is none of that name.
    """
    first, _, key = name.partition("/")
    known = [each for each in BENCHMARKS if BENCHMARKS[each].trained]
    if first not in {alias for each in known for alias in (each, *BENCHMARKS.aliases(each))}:
        alike = near(name, names())
        hint = f" (did you mean {' or '.join(alike)}?)" if alike else ""
        raise InputError(
            f"there are no results in {name}, and no table of trained models is called so{hint}; "
            f"name a folder of results, or one of {', '.join(names())}"
        )
    benchmark = BENCHMARKS[first]
    key = key or next(iter(benchmark.trained))
    if key not in benchmark.trained:
        raise InputError(
            f"there is no table {key!r} of trained models of {benchmark.name}; name one of "
            f"{', '.join(benchmark.trained)}"
        )
    return benchmark, benchmark.trained[key]


# ------------------------------------------------------------------ what was trained here


@dataclass(frozen=True)
class _Trained:
    """A training that was found.

    Attributes:
        folder: Where.
        result: See there.
        architecture: At the space's usual size.
    """

    folder: Path
    result: Training
    architecture: Any

    @property
    def task(self) -> str:
        return str(self.result.facts["identity"]["task"])

    @property
    def name(self) -> str:
        return str(self.result.facts.get("model", ""))


def found(places: Sequence[Path], benchmark: Benchmark) -> list[_Trained]:
    """Trainings of a space's architectures, in the order of their folders.

    Raises:
        InputError: A folder of results is damaged.
    """
    held = []
    seen = set()
    for place in places:
        for file in sorted(place.rglob(folders.FILE)):
            folder = file.parent
            if folder.resolve() in seen or folders.read(folder)["kind"] != training_report.KIND:
                continue
            seen.add(folder.resolve())
            result = training_report.load(folder)
            identity = result.facts["identity"]
            if identity["space"] == benchmark.name:
                architecture = _unsized(benchmark.space, identity["architecture"])
                held.append(_Trained(folder, result, architecture))
    return held


def _unsized(space: SearchSpace, text: str) -> Any:
    architecture = space.parse(text)
    return space.unsized(architecture) if isinstance(space, HasUnsized) else architecture


def _places(named: Sequence[Path]) -> list[Path]:
    """Folders to look in.

    Raises:
        InputError: One that is named is not there.
    """
    missing = [place for place in named if not place.is_dir()]
    if missing:
        raise InputError(f"there is no folder {missing[0]}; --trained names one with trainings")
    return list(named) or [place for place in paths.TRAINED if place.is_dir()]


# ------------------------------------------------------------------ rows


@dataclass
class _Row:
    """A model of the table.

    Attributes:
        name: What the table calls it.
        in_paper: Whether the paper has it.
        architecture: None: it is not known.
        trainings: Of it.
        notes: On all its figures that were trained.
    """

    name: str
    in_paper: bool
    architecture: Any = None
    trainings: list[_Trained] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _rows(held: Sequence[_Trained], published: TrainedTable, space: SearchSpace) -> list[_Row]:
    """The paper's models, then others."""
    known = {name: _unsized(space, text) for name, text in published.known.items()}
    rows = {name: _Row(name, True, known.get(name)) for name in published.models}
    by_architecture = {architecture: name for name, architecture in known.items()}
    others: dict[Any, _Row] = {}
    for each in held:
        name = by_architecture.get(each.architecture)
        if name is None and each.name in rows and each.name not in known:
            name = each.name
            row = rows[name]
            if row.architecture not in (None, each.architecture):
                raise InputError(
                    f"{each.folder}: {name} is the name of another architecture in "
                    f"{row.trainings[0].folder}; train one of them with another --name"
                )
            row.architecture = each.architecture
            row.notes = [f"{name}: named so by --name; the paper's own architecture is not known"]
        if name is not None:
            rows[name].trainings.append(each)
            continue
        row = others.setdefault(each.architecture, _Row("", False, each.architecture))
        row.trainings.append(each)
    taken = set(rows)
    for row in others.values():
        row.name = _free(_called(row), taken)
        taken.add(row.name)
    return [*rows.values(), *others.values()]


def _called(row: _Row) -> str:
    named = [each.name for each in row.trainings if each.name]
    text = named[0] if named else str(row.architecture.id)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _free(name: str, taken: set[str]) -> str:
    """The name, or with a number where it is taken: it is another architecture."""
    number = 2
    free = name
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free


# ------------------------------------------------------------------ figures


def compare(name: str, places: Sequence[Path]) -> Comparison:
    """A paper's table, with what was trained here beside it; see `harness.api.trained_table`."""
    benchmark, published = table(name)
    looked = _places(places)
    held = found(looked, benchmark)
    groups = {group.name: group for group in published.groups}
    notes: dict[str, int] = {}
    cells = []
    for row in _rows(held, published, benchmark.space):
        for column in published.columns:
            ours = _ours(row, column, groups[column.group], benchmark.space)
            numbers = [notes.setdefault(note, len(notes) + 1) for note in ours.notes]
            cells.append(
                {
                    "model": row.name, "in_paper": row.in_paper, "group": column.group,
                    "column": column.name, "title": column.title,
                    "published": published.value(row.name, column.name), "ours": ours.value,
                    "seeds": ours.seeds, "sd": ours.deviation,
                    "notes": " ".join(map(str, sorted(numbers))),
                }
            )  # fmt: skip
    facts = {
        "identity": {"benchmark": benchmark.name, "table": published.key},
        "trainings": [f"{each.folder.parent.name}/{each.folder.name}" for each in held],
        "environment": environment(),
    }
    return Comparison(published, pd.DataFrame(cells), tuple(notes), facts)


@dataclass(frozen=True)
class _Ours:
    value: float = math.nan
    seeds: int = 0
    deviation: float = math.nan
    notes: Sequence[str] = ()


def _ours(row: _Row, column: Column, group: Group, space: SearchSpace) -> _Ours:
    if column.kind == "size" and row.architecture is not None:
        size = _size(space, row.architecture, group.resolution).get(column.figure, math.nan)
        return _Ours(size / column.unit)
    if column.kind == "trained":
        return _trained(row, column, group)
    return _Ours()


def _size(
    space: SearchSpace, architecture: Any, resolution: tuple[int, int]
) -> Mapping[str, float]:
    """Closed forms of an architecture on images of a size; none where the space has no such."""
    height, width = resolution
    if isinstance(space, HasSizeAt):
        return space.size_at(architecture, height, width)
    if height != width or not isinstance(space, HasSizedDataset):
        return {}
    dataset = space.sized_dataset(height, 1000)
    size: dict[str, float] = dict(dataclasses.asdict(space.costs(architecture, dataset)))
    if isinstance(space, HasFigures):
        size |= space.figures(architecture, dataset)
    return size


def _trained(row: _Row, column: Column, group: Group) -> _Ours:
    """The figure of the trainings that are nearest to the paper's: mean over their seeds."""
    of_task = [each for each in row.trainings if each.task == group.task]
    alike: dict[str, list[_Trained]] = {}
    for each in of_task:
        alike.setdefault(_without_seed(each.result), []).append(each)
    if not alike:
        return _Ours()
    nearest = max(alike.values(), key=lambda trainings: _nearness(trainings, group))
    # The same seed again is the same training.
    chosen = list({each.result.facts["identity"]["seed"]: each for each in nearest}.values())
    values = [each.result.figures.get(column.figure, math.nan) for each in chosen]
    notes = [*row.notes, *_words(chosen, group)]
    left = len(of_task) - len(chosen)
    if left:
        notes.append(f"{row.name}: {left} other trainings of {group.task} are not shown")
    if column.figure.endswith("images_per_second"):
        devices = dict.fromkeys(str(each.result.facts.get("device", "?")) for each in chosen)
        notes.append(f"images a second on {', '.join(devices)}; the paper's machine is another")
    if len(values) > 1:
        notes.append(f"mean of {len(values)} seeds")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return _Ours(float(np.mean(values)) / column.unit, len(values), deviation, notes)


def _without_seed(result: Training) -> str:
    identity = {k: v for k, v in result.facts["identity"].items() if k != "seed"}
    return json.dumps([identity, result.facts["epochs"]], sort_keys=True)


def _nearness(trainings: Sequence[_Trained], group: Group) -> tuple[bool, int, int]:
    first = trainings[0].result
    return not list(differences(first, group)), int(first.facts["epochs"][0]), len(trainings)


def _words(trainings: Sequence[_Trained], group: Group) -> list[str]:
    found = list(differences(trainings[0].result, group))
    return [f"not the paper's training: {'; '.join(found)}"] if found else []


# ------------------------------------------------------------------ another protocol


def differences(result: Training, group: Group) -> Iterator[str]:
    """In what a training differs from a paper's, in words; nothing: it followed its protocol.

    The number of GPUs is no difference, as the protocols scale rates by it.
    """
    identity = result.facts["identity"]
    done, planned = result.facts["epochs"]
    if done < planned:
        yield f"stopped after {done} of {planned} epochs"
    yield from _settings(identity["protocol"], group)
    if result.facts["classes"] != group.classes:
        yield f"{result.facts['classes']} classes, not {group.classes} of {group.name}"
    images = result.facts.get("images")
    if not isinstance(images, int):
        yield "the number of training images is not known"
    elif images < group.images:
        yield f"{images:,} training images, not {group.images:,} of {group.name}"
    judged = result.facts.get("validation")
    if not isinstance(judged, int):
        yield "the number of validation images is not known"
    elif judged < group.validation:
        yield f"{judged:,} validation images, not {group.validation:,} of {group.name}"
    begun = identity.get("weights", "drawn")
    if group.task == "classification" and begun != "drawn":
        yield f"begun with the weights {begun}"
    if group.task != "classification" and begun == "drawn":
        yield "begun with drawn weights, none of ImageNet"
    yield from result.facts.get("lacking", ())


def _settings(held: Mapping[str, Any], group: Group) -> Iterator[str]:
    paper = protocol(group.protocol)
    if held["name"] != paper.name:
        yield f"protocol {held['name']}, not {paper.name}"
        return
    if held["epochs"] != paper.epochs:
        yield f"{held['epochs']} epochs, not {paper.epochs}"
        paper = paper.changed(epochs=held["epochs"])
    ours = json.loads(json.dumps(held))
    theirs = json.loads(json.dumps(paper.plain()))
    for key in dict.fromkeys([*theirs, *ours]):
        if key != "name":
            yield from _changes(key.replace("_", " "), ours.get(key), theirs.get(key))


def _changes(name: str, ours: Any, theirs: Any) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys([*theirs, *ours]):
            yield from _changes(f"{name} {key}".replace("_", " "), ours.get(key), theirs.get(key))
    elif not _same(ours, theirs):
        yield f"{name} {_said(ours)}, not {_said(theirs)}"


def _same(ours: Any, theirs: Any) -> bool:
    """Equal; of numbers, but for rounding."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-9)
    return bool(ours == theirs)


def _said(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)
