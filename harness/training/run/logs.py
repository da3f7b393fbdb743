"""What is written while a training runs: CSV files and TensorBoard's events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from benchmarks.data import replacing

HISTORY, STEPS, EVENTS = "history.csv", "steps.csv", "tensorboard"
_EVERY = 50


class Logs:
    """Logs of one training.

    Args:
        folder: Where; None: nothing is written.

    Attributes:
        rows: One every 50 steps: step, rate, losses; kept in checkpoints, so that a training that
            goes on does not repeat what was logged after its checkpoint.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None
        self.rows: list[dict[str, float]] = []

    def begin(self, step: int) -> None:
        """Write events from a step on; those of it and later ones are void."""
        if self._folder is not None:
            self._writer = SummaryWriter(str(self._folder / EVENTS), purge_step=step)

    @property
    def loss(self) -> float:
        """That of the step that was logged last; NaN: none was."""
        return self.rows[-1]["loss"] if self.rows else float("nan")

    def step(self, step: int, rate: float, losses: Mapping[str, Tensor]) -> None:
        """Log a step, if it is one that is logged."""
        if self._folder is None or step % _EVERY:
            return
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        row = {"step": step, "rate": rate, "loss": sum(values.values())}
        self.rows.append(row | (values if len(values) > 1 else {}))
        self._events("step", self.rows[-1], step)

    def epoch(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Log the last epoch of a history, and write both files."""
        if self._folder is None:
            return
        self._events("epoch", history[-1], int(history[-1]["step"]))
        for name, rows in ((HISTORY, history), (STEPS, self.rows)):
            with replacing(self._folder / name) as temporary:
                pd.DataFrame(rows).to_csv(temporary, index=False)

    def end(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()

    def _events(self, group: str, row: Mapping[str, Any], step: int) -> None:
        if self._writer is not None:
            for name, value in row.items():
                if name not in ("step", "epoch"):
                    self._writer.add_scalar(f"{group}/{name}", value, step)
