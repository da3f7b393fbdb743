"""Search algorithms as ask/tell optimisers, one file each; they know neither space nor objective.

`ALGORITHMS` finds them all. `Objective` keeps the scores of a history, `run` joins the two.
"""

from harness.search.loop import Evaluation, Scored, run
from harness.search.objective import Formula, Objective
from harness.search.optimiser import (
    ALGORITHMS,
    Algorithm,
    Moves,
    NothingFeasible,
    Optimiser,
    register_algorithm,
)

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Evaluation",
    "Formula",
    "Moves",
    "NothingFeasible",
    "Objective",
    "Optimiser",
    "Scored",
    "register_algorithm",
    "run",
]
