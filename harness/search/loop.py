"""The loop of a search: ask, score, tell, and stop at any evaluation to go on later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from harness.search.objective import Objective
from harness.search.optimiser import Optimiser

A = TypeVar("A")


@dataclass(frozen=True)
class Scored:
    """What scoring an architecture gave.

    Attributes:
        values: By column of the objective; NaN where it failed.
        status: "ok", or why there is no value.
        new: Whether the search met it, or one that is the same network, for the first time.
        seconds: What a new one took to score, then or earlier; 0 of another.
    """

    values: tuple[float, ...]
    status: str
    new: bool
    seconds: float


@dataclass
class Evaluation:
    """The evaluations of a search, one entry each in every list.

    Attributes:
        architecture: Ids.
        values, status, new, seconds: Of `Scored`.
        score: Score at that time; an aggregate's changes later.
        best: Place of the best so far, by the scores at that time; of equals the first.
    """

    architecture: list[str] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    new: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    best: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.architecture)

    def first(self, count: int) -> Evaluation:
        """The first `count` of them."""
        return Evaluation(**{f.name: getattr(self, f.name)[:count] for f in fields(self)})

    def add(self, architecture: str, scored: Scored, scores: np.ndarray) -> None:
        """One more, with the scores of all by then."""
        self.architecture.append(architecture)
        self.values.append(list(scored.values))
        self.status.append(scored.status)
        self.new.append(scored.new)
        self.seconds.append(scored.seconds)
        self.score.append(float(scores[-1]))
        self.best.append(int(np.argmax(scores)))


def run(
    optimiser: Optimiser[A],
    objective: Objective,
    evaluate: Callable[[Sequence[A]], Sequence[Scored]],
    iterations: int,
    *,
    name: Callable[[A], str],
    parse: Callable[[str], A],
    resume: Mapping[str, Any] | None = None,
    at_once: int = 1,
    on_step: Callable[[Evaluation, Callable[[], dict[str, Any]]], None] = lambda *_: None,
) -> Evaluation:
    """Search.

    Args:
        optimiser: A new one.
        objective: A new one.
        evaluate: Scores architectures.
        iterations: Evaluations to reach; architectures that break the limits count for nothing.
        name: Id of an architecture.
        parse: The architecture of an id.
        resume: A state of an earlier run with the same arguments; more iterations may be asked.
        at_once: How many are scored together where the algorithm asks ahead; changes no result.
        on_step: Called after every scoring with all evaluations, and a function that gives the
            state to resume from, as plain data for JSON.

    Returns:
        All evaluations. The architecture found is that of the last `best`.
    """
    done = Evaluation()
    if resume is not None:
        done = Evaluation(**resume["evaluations"])
        objective.extend(done.values)
        optimiser.restore(resume["optimiser"], [*map(parse, done.architecture)], objective.scores)

    def state() -> dict[str, Any]:
        return {"optimiser": optimiser.state(), "evaluations": asdict(done)}

    while (left := iterations - len(done)) > 0:
        asked = [optimiser.ask() for _ in range(min(left, at_once, optimiser.ahead))]
        for architecture, scored in zip(asked, evaluate(asked), strict=True):
            objective.add(scored.values)
            done.add(name(architecture), scored, objective.scores)
        optimiser.tell(objective.scores)
        on_step(done, state)
    return done.first(iterations)
