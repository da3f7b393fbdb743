"""Figures that a paper reports of fully trained models of a space."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.errors import InputError
from benchmarks.packaged import Packaged, leading, need

#: Kinds of leading lines, and what they state.
_SAID = {
    "source": "the paper, and where in it",
    "title": "a short name, such as Table 1",
    "protocol": "how the models were trained, and what is counted",
    "group": "name | task | protocol | HEIGHTxWIDTH | classes | images to train | to validate",
    "column": "name | group | title | size.FIGURE / UNIT, trained.FIGURE, or nothing",
    "known": "model = name of the architecture in the space",
    "note": "what else a reader should know",
}
_NEEDED = ("source", "title", "protocol", "group", "column")
_TASKS = ("classification", "detection", "segmentation")
_FIGURE = re.compile(r"(size|trained)\.(\w+)(?: / (\d+(?:e\d+)?))?")


@dataclass(frozen=True)
class Group:
    """Columns of one data set, for which the models were trained alike.

    Attributes:
        name: Of the data set, for people.
        task: "classification", "detection", "segmentation".
        protocol: Name of one in `harness.training.recipe`.
        resolution: (height, width) of the images at which FLOPs are counted.
        classes: Of the data set.
        images: That the data set has at least for training; fewer are a part of it.
        validation: That it has at least for validation.
    """

    name: str
    task: str
    protocol: str
    resolution: tuple[int, int]
    classes: int
    images: int
    validation: int


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        name: In the file.
        group: Name of its `Group`.
        title: Heading, with the unit.
        kind: Where ours comes from: "size", closed forms at the group's resolution; "trained",
            the result of a training; "", nowhere.
        figure: Its name there.
        unit: Ours is divided by it.
    """

    name: str
    group: str
    title: str
    kind: str = ""
    figure: str = ""
    unit: float = 1.0


@dataclass(frozen=True)
class TrainedTable:
    """A paper's table of trained models.

    Attributes:
        key: What it is called.
        title: Its short name.
        source: The paper, and where in it.
        protocol: How the models were trained, and what is counted.
        groups: See there, in the order in which they are shown.
        columns: See there.
        known: Names of the space's architectures, by model.
        frame: One row a model, indexed by its name: the columns' values as the paper prints them,
            and "" where it reports nothing.
        notes: What else a reader should know.
    """

    key: str
    title: str
    source: str
    protocol: str
    groups: Sequence[Group]
    columns: Sequence[Column]
    known: Mapping[str, str]
    frame: pd.DataFrame
    notes: Sequence[str] = ()

    @property
    def models(self) -> list[str]:
        """Names of the models, in the paper's order."""
        return list(map(str, self.frame.index))

    def text(self, model: str, column: str) -> str:
        """A value as it is printed; "" where there is none."""
        return str(self.frame.at[model, column]) if model in self.frame.index else ""

    def value(self, model: str, column: str) -> float:
        """The same as a number: NaN where there is none."""
        text = self.text(model, column)
        try:
            return float(text) if text else math.nan
        except ValueError:
            return math.nan

    def digits(self, column: str) -> int:
        """Decimals of a column: as many as the most exact of its values has."""
        return max(len(text.partition(".")[2]) for text in map(str, self.frame[column]))

    def of(self, group: str) -> list[Column]:
        """Columns of a group."""
        return [column for column in self.columns if column.group == group]


class TrainedTables(Packaged[TrainedTable]):
    """Tables of trained models in the folder `trained` of a benchmark's package.

    A table is a file `<key>.csv`; adding one is adding the file. Lines that begin with `#` come
    first, then a CSV table whose first column is `model`:

        # source: the paper, and where in it
        # title: a short name, such as Table 1
        # protocol: how the models were trained, and what is counted
        # group: COCO | detection | uninas_detection | 800x1280 | 80 | 117266
        # column: coco_ap_box | COCO | box AP | trained.ap_box
        # column: coco_flops_g | COCO | FLOPs (G) | size.flops / 1e9
        # known: vit = transformer
        # note: what else a reader should know; as many as there are

    Args:
        package: "benchmarks.uninas" ...
        first: Key of the table that is taken where none is named.
    """

    def __init__(self, package: str, first: str) -> None:
        super().__init__(package, "trained", parse, first)


def parse(text: str, name: str) -> TrainedTable:
    """Read a table of trained models.

    Args:
        text: Content of the file.
        name: Of the file; its stem is the table's key.

    Raises:
        InputError: It is not of the form that `TrainedTables` describes.
    """
    said, body = leading(text, name, _SAID)
    need(said, name, {kind: _SAID[kind] for kind in _NEEDED})
    groups = [_group(line, name) for line in said["group"]]
    columns = [_column(line, name, [g.name for g in groups]) for line in said["column"]]
    frame = pd.read_csv(io.StringIO(body), dtype=str, keep_default_na=False)
    if list(frame.columns) != ["model", *(column.name for column in columns)]:
        expected = ", ".join(["model", *(column.name for column in columns)])
        raise InputError(f"{name}: expected the columns {expected}, as its leading lines say")
    _check_values(frame, columns, name)
    known = dict(_known(line, name, list(frame["model"])) for line in said["known"])
    joined = {kind: "; ".join(said[kind]) for kind in ("title", "source", "protocol")}
    return TrainedTable(
        Path(name).stem, joined["title"], joined["source"], joined["protocol"], groups, columns,
        known, frame.set_index("model"), tuple(said["note"]),
    )  # fmt: skip


def _check_values(frame: pd.DataFrame, columns: Sequence[Column], name: str) -> None:
    twice = frame["model"][frame["model"].duplicated()]
    if len(twice):
        raise InputError(f"{name}: {twice.iloc[0]} has two rows; keep one")
    for column in columns:
        if not column.kind:
            continue  # text, as well
        for model, value in zip(frame["model"], frame[column.name], strict=True):
            if value and not re.fullmatch(r"\d+(\.\d+)?", value):
                raise InputError(f"{name}: {column.name} of {model} is {value!r}, no number")


def _fields(line: str, kind: str, name: str, count: int) -> list[str]:
    fields = [field.strip() for field in line.split("|")]
    if len(fields) != count or not all(fields[: count - 1]):
        raise InputError(f"{name}: '# {kind}: {line}' should be '# {kind}: {_SAID[kind]}'")
    return fields


def _group(line: str, name: str) -> Group:
    title, task, protocol, size, *counts = _fields(line, "group", name, 7)
    sides = re.fullmatch(r"(\d+)x(\d+)", size)
    if task not in _TASKS or not sides or not all(map(str.isdecimal, counts)):
        raise InputError(
            f"{name}: '# group: {line}' should be '# group: {_SAID['group']}', the task one of "
            f"{', '.join(_TASKS)}"
        )
    resolution = (int(sides[1]), int(sides[2]))
    return Group(title, task, protocol, resolution, *map(int, counts))


def _column(line: str, name: str, groups: Sequence[str]) -> Column:
    column, group, title, where = _fields(line, "column", name, 4)
    if group not in groups:
        raise InputError(f"{name}: column {column} is of the unknown group {group!r}")
    if not where:
        return Column(column, group, title)
    found = _FIGURE.fullmatch(where)
    if found is None:
        raise InputError(f"{name}: '# column: {line}' should be '# column: {_SAID['column']}'")
    return Column(column, group, title, found[1], found[2], float(found[3] or 1))


def _known(line: str, name: str, models: Sequence[str]) -> tuple[str, str]:
    model, sign, architecture = (part.strip() for part in line.partition("="))
    if not sign or not architecture or model not in models:
        raise InputError(f"{name}: '# known: {line}' should be '# known: {_SAID['known']}'")
    return model, architecture
