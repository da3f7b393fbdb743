"""Trained models beside a paper's table, as plain data. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.trained import TrainedTable


@dataclass(frozen=True)
class Comparison:
    """A paper's table of trained models, and ours.

    Attributes:
        published: The paper's.
        table: One row a model and column: `model`, `in_paper` (whether the paper has the model),
            `group`, `column`, `title`; `published` and `ours`, NaN where there is none; `seeds`,
            the trainings that ours is the mean of (0: closed form, or nothing); `sd`, their
            deviation; `notes`, numbers of `notes`, with blanks between.
        notes: What is to be known of single figures, the first is number 1.
        facts: `identity`, which table of which `benchmark`; `environment`; `trainings`, the
            folders that were read. Plain data.
    """

    published: TrainedTable
    table: pd.DataFrame
    notes: Sequence[str]
    facts: Mapping[str, Any]
