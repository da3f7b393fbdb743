"""Records of NAS-Bench-101's official files, made from known cells."""

from __future__ import annotations

import base64
import functools
import json
import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.nasbench101.architecture import OPS, Cell
from benchmarks.nasbench101.enumeration import Enumeration

_SKIPS = {(0, 6), (1, 3), (2, 6)}
#: Five cells of 2 to 7 vertices.
CELLS = (
    Cell.of([[0, 1], [0, 0]], ["input", "output"]),
    Cell.of([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["input", "maxpool3x3", "output"]),
    Cell.of([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv3x3-bn-relu", "output"]),
    Cell.of(
        [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]],
        ["input", "conv1x1-bn-relu", "conv3x3-bn-relu", "output"],
    ),
    Cell.of(
        [[int(j == i + 1 or (i, j) in _SKIPS) for j in range(7)] for i in range(7)],
        ["input", OPS[0], OPS[2], OPS[1], OPS[0], OPS[2], "output"],
    ),
)


def varint(value: int) -> bytes:
    """A number as protocol buffers write it."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def field(number: int, value: float | int | bytes) -> bytes:
    """A field: bytes, double or number."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    return varint(number << 3) + varint(value)


@dataclass(frozen=True)
class Evaluation:
    """An `EvaluationData`: fractions and seconds."""

    epoch: float
    seconds: float
    train: float
    valid: float
    test: float

    def message(self) -> bytes:
        """Its bytes."""
        values = (self.epoch, self.seconds, self.train, self.valid, self.test)
        body = b"".join(field(number, value) for number, value in enumerate(values, start=1))
        return body + field(6, b"model.ckpt-0")


@dataclass(frozen=True)
class Training:
    """A training of a cell."""

    cell: Cell
    epochs: int
    evaluations: Sequence[Evaluation]
    params: int = 8_555_530

    def message(self) -> bytes:
        """Its `ModelMetrics`."""
        evaluations = b"".join(field(1, each.message()) for each in self.evaluations)
        return evaluations + field(2, self.params) + field(3, 99.5)

    def record(self, **changes: Any) -> bytes:
        """Its payload; `changes` replace `hash`, `epochs`, `adjacency`, `ops`, `metrics`."""
        values = {
            "hash": self.cell.id,
            "epochs": self.epochs,
            "adjacency": "".join(str(entry) for row in self.cell.matrix for entry in row),
            "ops": ",".join(self.cell.ops),
            "metrics": base64.b64encode(self.message()).decode(),
        }
        return json.dumps(list((values | changes).values())).encode()


def trainings(
    cells: Iterable[Cell] = CELLS, epochs: Sequence[int] = (4, 108), trials: int = 3
) -> list[Training]:
    """Trainings with random accuracies, in random order; the same at every call."""
    rng = random.Random(0)
    made = [
        Training(
            cell,
            budget,
            [
                Evaluation(part * budget, 100.0 * part, rng.random(), rng.random(), rng.random())
                for part in (0.0, 0.5, 1.0)
            ],
        )
        for cell in cells
        for budget in epochs
        for _ in range(trials)
    ]
    rng.shuffle(made)
    return made


def enumerated(cells: Sequence[Cell]) -> Enumeration:
    """The cells as if they were the whole space."""
    return Enumeration(
        [bytes.fromhex(cell.id) for cell in cells],
        np.array([len(cell.matrix) for cell in cells], dtype=np.uint8),
        np.array([_bits(cell) for cell in cells], dtype=np.uint32),
        np.array([_code(cell) for cell in cells], dtype=np.uint8),
    )


def _bits(cell: Cell) -> int:
    targets = range(len(cell.ops))
    return sum(1 << i + j * (j - 1) // 2 for j in targets for i in cell.predecessors(j))


def _code(cell: Cell) -> int:
    return functools.reduce(lambda code, op: 3 * code + OPS.index(op), cell.ops[1:-1], 0)
