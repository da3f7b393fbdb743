"""What searches found: a result that is data, without space, store or figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from harness.search import trajectories


@dataclass(frozen=True)
class SearchResult:
    """Searches of one space, each with its proxy, algorithm and seed.

    Attributes:
        trajectory: One row an evaluation, of `harness.pipelines.searching.trajectory`, with
            `accuracy` and `incumbent_accuracy` where accuracies are known, else
            `incumbent_rank`.
        protocol: Lines that say what was searched, and how.
        facts: Plain data: `space`, `dataset`, `limits`, `iterations`, and `identity`: what
            identifies the protocol.
        labels: What the searches are called, in the order of the trajectory.
        optimum: The best accuracy that could have been found, percent; None: not known.
        title: For figure and table.
    """

    trajectory: pd.DataFrame
    protocol: Sequence[str]
    facts: dict[str, Any]
    labels: Sequence[str]
    optimum: float | None
    title: str

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row an algorithm and proxy: of `harness.search.trajectories.summary`."""
        return trajectories.summary(self.trajectory, self.optimum)

    @cached_property
    def winners(self) -> list[dict[str, Any]]:
        """What each search found, as plain data that `harness.build` takes."""
        found = []
        for _, row in trajectories.winners(self.trajectory).iterrows():
            each: dict[str, Any] = {
                "space": self.facts["space"],
                "dataset": self.facts["dataset"],
                "architecture": row["architecture"],
                "proxy": row["proxy"],
                "algorithm": row["algorithm"],
                "seed": int(row["seed"]),
                "limits": dict(self.facts["limits"]),
                "evaluations": int(row["evaluations"]),
                "score": float(row["final_score"]),
            }
            for name, value in row.items():
                if str(name).removeprefix("limited_") in ("flops", "params", "layers"):
                    each[str(name)] = int(value)
            if pd.notna(row.get("accuracy")):
                each["accuracy"] = float(row["accuracy"])
            found.append(each)
        return found
