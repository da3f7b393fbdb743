"""The official files of NAS-Bench-101, `nasbench_only108.tfrecord` and `nasbench_full.tfrecord`.

A record is one training: the JSON list of module hash, epochs, adjacency (V x V characters 0 and
1, row by row), operations joined by commas, and the base64 of a `ModelMetrics` message:

    ModelMetrics:   1 EvaluationData (start, half, end)   2 trainable parameters   3 total time
    EvaluationData: 1 epoch   2 training time   3, 4, 5 train, validation, test accuracy

Accuracies are fractions, times are seconds.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.errors import InputError
from benchmarks.nasbench101.architecture import MAX_VERTICES, Cell
from benchmarks.nasbench101.enumeration import SIZE
from benchmarks.readers import protobuf, tfrecord
from benchmarks.tables import WideTable, wide_column

NAME = "nasbench101"
TRAININGS = "NAS-Bench-101"
DATASET = "cifar10"
EPOCHS = (4, 12, 36, 108)
TRIALS = 3
#: What is kept of a training: accuracies at half time, at the end, and the time it took.
MEASURES = ("train-half", "valid-half", "test-half", "train", "valid", "test", "seconds")

_HASH = re.compile(r"[0-9a-f]{32}")
_REMEDY = "the file is damaged or of another kind: download it again"

Progress = Callable[[int, int], None]


def import_official(path: Path, progress: Progress = lambda done, total: None) -> WideTable:
    """Accuracies of every training in an official file, in bounded memory.

    Every record is checked: checksums, the graph against the stated hash, accuracies.

    Args:
        path: `nasbench_only108.tfrecord` or `nasbench_full.tfrecord`.
        progress: Called with (done, total) in bytes.

    Returns:
        Splits `train`, `valid`, `test` at the end, and `train-half` ... at half time; seeds "0",
        "1", "2" in the order of the file. Further columns: `trainable_parameters`, and
        `seconds/<epochs>/<seed>` of training.

    Raises:
        InputError: A record is damaged or is no such training. The message names file, record
            number and value. Nothing is kept then.
    """
    collector = _Collector()
    for number, payload in tfrecord.records(path, progress):
        try:
            _consume(payload, collector)
        except (ValueError, RecursionError) as error:  # an `InputError` is one
            raise InputError(f"{path}, record {number}: {error}; {_REMEDY}") from error
    if not collector.rows:
        raise InputError(f"{path} holds no record; {_REMEDY}")
    columns = collector.columns()
    table = pa.table(columns)
    count = "" if len(collector.rows) == SIZE else f", {len(collector.rows):,} of {SIZE:,} cells"
    source = f"{path.name} (official{count})"
    return WideTable(NAME, source, TRAININGS, len(table), list(columns), table.select)


class _Collector:
    """Gathers trainings in columns of plain numbers, grown by a row at every new hash."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self._graphs = array("q")
        self._params = array("q")
        self._trials: dict[int, bytearray] = {}  # trainings that each row has, by epochs
        self._measures: dict[int, list[array[float]]] = {}  # by epochs: trials x measures

    def known(self, digest: str, graph: int) -> bool:
        """Whether this graph was seen under this hash."""
        row = self.rows.get(digest)
        return row is not None and self._graphs[row] == graph

    def add(
        self, digest: str, graph: int, epochs: int, params: int, measures: Sequence[float]
    ) -> None:
        row = self.rows.setdefault(digest, len(self.rows))
        if row == len(self._params):
            self._graphs.append(graph)
            self._params.append(params)
        if params != self._params[row]:
            raise ValueError(
                f"{digest} has {params} trainable parameters, and {self._params[row]} before"
            )
        self._grow(epochs, row + 1)
        trial = self._trials[epochs][row]
        if trial == TRIALS:
            raise ValueError(f"{digest} has more than {TRIALS} trainings of {epochs} epochs")
        self._trials[epochs][row] += 1
        columns = self._measures[epochs]
        for place, value in enumerate(measures, start=trial * len(MEASURES)):
            columns[place][row] = value

    def _grow(self, epochs: int, rows: int) -> None:
        if epochs not in self._trials:
            self._trials[epochs] = bytearray()
            self._measures[epochs] = [array("d") for _ in range(TRIALS * len(MEASURES))]
        missing = rows - len(self._trials[epochs])
        if missing > 0:
            self._trials[epochs].extend(bytes(missing))
            for column in self._measures[epochs]:
                column.extend(itertools.repeat(math.nan, missing))

    def columns(self) -> dict[str, pa.Array]:
        """All columns by name, on the memory that was filled."""
        columns = {
            "arch": pa.array(list(self.rows), pa.string()),
            "trainable_parameters": pa.array(np.frombuffer(self._params, dtype=np.int64)),
        }
        for epochs in sorted(self._measures):
            self._grow(epochs, len(self.rows))
            kinds = itertools.product(map(str, range(TRIALS)), MEASURES)
            for (trial, measure), column in zip(kinds, self._measures[epochs], strict=True):
                if measure == "seconds":
                    name = f"seconds/{epochs}/{trial}"
                else:
                    name = wide_column(DATASET, epochs, measure, trial)
                columns[name] = pa.array(np.frombuffer(column, dtype=np.float64))
        return columns


def _consume(payload: bytes, collector: _Collector) -> None:
    try:
        record = json.loads(payload)
        digest, epochs, adjacency, ops, encoded = record
    except (TypeError, ValueError) as error:
        raise ValueError(f"not the JSON list of five that is expected ({error})") from error
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise ValueError(f"{_short(digest)} is no module hash of 32 hexadecimal digits")
    if isinstance(epochs, bool) or epochs not in EPOCHS:
        raise ValueError(f"{_short(epochs)} epochs of {digest}; expected one of {EPOCHS}")
    graph = hash((adjacency, ops)) if isinstance(adjacency, str) and isinstance(ops, str) else 0
    if not collector.known(digest, graph):  # a cell has twelve trainings, and one graph
        check_graph(digest, adjacency, ops)
    try:
        params, measures = _metrics(base64.b64decode(encoded, validate=True))
    except (TypeError, ValueError) as error:
        raise ValueError(f"metrics of {digest}, {epochs} epochs: {error}") from error
    collector.add(digest, graph, epochs, params, measures)


def check_graph(digest: str, adjacency: Any, ops: Any) -> None:
    """See that a graph is a cell and has the hash that is stated.

    Args:
        digest: The stated hash.
        adjacency: V x V characters 0 and 1, row by row.
        ops: V operations joined by commas.

    Raises:
        ValueError: It is none, or has another.
    """
    if not isinstance(adjacency, str) or not re.fullmatch("[01]+", adjacency[:50]):
        raise ValueError(f"adjacency {_short(adjacency)} of {digest} is no text of 0 and 1")
    size = math.isqrt(len(adjacency))
    if size**2 != len(adjacency) or size > MAX_VERTICES:
        raise ValueError(
            f"adjacency {_short(adjacency)} of {digest} has {len(adjacency)} entries, "
            f"not V x V with V at most {MAX_VERTICES}"
        )
    labels = ops.split(",") if isinstance(ops, str) else []
    if len(labels) != size or max(map(len, labels)) > 30:
        raise ValueError(f"{_short(ops)} are no {size} operations of {digest}")
    rows = [[int(entry) for entry in adjacency[at : at + size]] for at in range(0, size**2, size)]
    found = Cell.of(rows, labels).hash
    if found != digest:
        raise ValueError(f"wrong hash: {digest} is stated, but {adjacency} {ops} has {found}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _metrics(message: bytes) -> tuple[int, list[float]]:
    """Trainable parameters and `MEASURES` of a `ModelMetrics` message; percent and seconds."""
    params, evaluations = -1, []
    for number, wire, value in protobuf.fields(message):
        if number == 1 and isinstance(value, bytes) and wire == protobuf.BYTES:
            evaluations.append(value)
        elif number == 2 and isinstance(value, int):
            params = value
    if not 0 < params < 1 << 31:
        raise ValueError(f"{params} trainable parameters")
    if len(evaluations) != 3:
        raise ValueError(f"{len(evaluations)} evaluations; expected start, half and end")
    *half, _ = _evaluation(evaluations[1], "halfway")
    *end, seconds = _evaluation(evaluations[2], "final")
    return params, [*half, *end, seconds]


#: Number in `EvaluationData` -> its name, in the order of `MEASURES`.
_FIELDS = {3: "train accuracy", 4: "validation accuracy", 5: "test accuracy", 2: "training time"}


def _evaluation(message: bytes, when: str) -> list[float]:
    """Train, validation and test accuracy in percent, and seconds."""
    held = {n: value for n, wire, value in protobuf.fields(message) if wire == protobuf.FIXED64}
    result = []
    for number, name in _FIELDS.items():
        if number not in held:
            raise ValueError(f"no {when} {name}")
        value = protobuf.double(held[number])
        fraction = number != 2
        if not 0 <= value <= (1 if fraction else math.inf):
            raise ValueError(f"{when} {name} {value} is not {'in 0..1' if fraction else 'a time'}")
        result.append(100 * value if fraction else value)
    return result
