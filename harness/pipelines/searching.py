"""A search of a benchmark: `harness.search` joined to a space, the engine and the score store."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isnan
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.types import (
    HasCanonical,
    HasEdits,
    HasInitial,
    HasLimits,
    SearchSpace,
    derive_seed,
)
from harness.evaluation.predict import MODELS
from harness.proxies import PROXIES
from harness.scores.frames import check_part, value_of
from harness.scores.names import aggregate_of, columns_of, is_imported, split_part
from harness.scores.store import Record, Store
from harness.scoring import engine
from harness.scoring.engine import Request
from harness.search import (
    ALGORITHMS,
    Evaluation,
    Formula,
    Moves,
    NothingFeasible,
    Objective,
    Scored,
    run,
)
from harness.search.resume import load_state, save_state

#: An objective beside the proxies: a number drawn for each architecture, by the search's seed.
RANDOM = "random"
#: What can be limited.
LIMITS = ("flops", "params", "layers")


@dataclass(frozen=True)
class Plan:
    """One search; all that its result is a function of, but the number of evaluations.

    Attributes:
        space: Name of the benchmark.
        dataset: Its dataset key.
        proxy: A proxy, a part of one, an aggregate, or `RANDOM`.
        algorithm: Of `harness.search.ALGORITHMS`.
        population: Of the algorithm.
        seed: Of the search.
        limits: Largest allowed figure, by name of `LIMITS`.
        columns: Key columns of the scores, by proxy.
    """

    space: str
    dataset: str
    proxy: str
    algorithm: str
    population: int
    seed: int
    limits: Mapping[str, float]
    columns: Mapping[str, Mapping[str, str | int]]

    @property
    def label(self) -> str:
        """What its files are called, without an ending."""
        return re.sub(r"[^\w.@-]+", "-", f"{self.algorithm}_{self.proxy}_{self.seed}")


def plans_of(
    request: Request,
    proxies: Sequence[str],
    algorithms: Sequence[str],
    seeds: Sequence[int],
    iterations: int,
    population: int,
    limits: Mapping[str, float],
) -> list[Plan]:
    """One plan for each algorithm, proxy and seed; sees whatever can be wrong before any work.

    Args:
        request: Space, dataset, batch and input of the scores; its first seed is theirs.
        proxies: Names, or `RANDOM`.
        algorithms: Names.
        seeds: Of the searches.
        iterations: Evaluations of each search.
        population: Of those that have one.
        limits: Largest allowed figures.

    Raises:
        InputError: A name is unknown, an input is not there, or the population is too small, larger
            than the space, or never full.
    """
    space = BENCHMARKS[request.benchmark].space
    space.dataset(request.dataset)
    if "all" in space.sets and population > (size := len(space.architectures("all"))):
        raise InputError(
            f"population {population:,} is larger than {request.benchmark}, which has {size:,} "
            "architectures; give a smaller --population"
        )
    plans = []
    for algorithm in map(ALGORITHMS.__getitem__, dict.fromkeys(algorithms)):
        if algorithm.selects and not 2 <= population < iterations:
            raise InputError(
                f"{algorithm.name} selects once there are {population:,} architectures, and "
                f"{iterations:,} are evaluated; give a --population from 2 to {iterations - 1:,}"
            )
        for proxy in dict.fromkeys(proxies):
            formula_of(proxy)
            columns = {
                name: dict(request.column(PROXIES[name], request.seeds[0]))
                for name in _proxies(proxy)
            }
            size = population if algorithm.selects else 0
            plans += [
                Plan(
                    request.benchmark, request.dataset, proxy, algorithm.name, size, seed,
                    dict(limits), columns,
                )
                for seed in seeds
            ]  # fmt: skip
    return plans


def _proxies(name: str) -> list[str]:
    return [] if name == RANDOM else list(dict.fromkeys(proxy for proxy, _ in columns_of(name)))


def formula_of(name: str) -> str | Formula:
    """The objective that a name means; an aggregate as a tree down to proxies and parts.

    Raises:
        InputError: The name means nothing known, or a model or imported scores.
    """
    if name == RANDOM:
        return name
    if name in MODELS or is_imported(name):
        raise InputError(f"{name!r} cannot guide a search: it cannot be scored for a new network")
    aggregate = aggregate_of(name)
    if aggregate is None:
        proxy, part = split_part(name)
        return proxy if part is None else f"{proxy}.{part}"
    return Formula(aggregate.rule, tuple(map(formula_of, aggregate.members)))


def moves_of(space: SearchSpace, dataset: str, limits: Mapping[str, float]) -> Moves[Any]:
    """What an optimiser can do in a space."""

    def mutate(architecture: Any, rng: Random, times: int) -> Any:
        if isinstance(space, HasEdits):
            return space.mutate_times(architecture, rng, times)
        for _ in range(times):
            architecture = space.mutate(architecture, rng)
        return architecture

    def feasible(architecture: Any) -> bool:
        if not limits:
            return True
        figures = figures_of(space, architecture, dataset)
        return all(figures[name] <= most for name, most in limits.items())

    initial = space.initial if isinstance(space, HasInitial) else None
    return Moves(space.sample, mutate, space.neighbours, feasible, initial)


def figures_of(space: SearchSpace, architecture: Any, dataset: str) -> Mapping[str, float]:
    """The figures that limits bound, by name of `LIMITS`."""
    if isinstance(space, HasLimits):
        return space.limits(architecture, dataset)
    return asdict(space.costs(architecture, dataset))


def search(
    plan: Plan,
    store: Store,
    request: Request,
    iterations: int,
    state: Path,
    *,
    workers: int | None = None,
    device: str = "cpu",
    on_step: Callable[[Evaluation], None] = lambda done: None,
) -> Evaluation:
    """Run one search, or go on with it.

    Args:
        plan: What.
        store: Where scores come from and go to.
        request: That the plan was made of.
        iterations: Evaluations to reach.
        state: File that the search is saved in, and gone on from.
        workers: Processes, where several architectures can be scored at once.
        device: As of `harness.scoring.engine.run`.
        on_step: Called after every scoring.

    Raises:
        InputError: No architecture keeps the limits, the state is of another search or damaged,
            or scoring is impossible.
    """
    space = BENCHMARKS[plan.space].space
    optimiser = ALGORITHMS[plan.algorithm].make(
        moves_of(space, plan.dataset, plan.limits), plan.population, plan.seed
    )
    objective = Objective(formula_of(plan.proxy))
    resume = load_state(state, asdict(plan))
    scorer = _Scorer(plan, objective.members, store, request, workers, device)
    if resume is not None:
        scorer.seen = {*map(scorer.representative, resume["evaluations"]["architecture"])}
    due = 0.0
    cores = workers or engine.available_cores()

    def step(done: Evaluation, now: Callable[[], dict[str, Any]]) -> None:
        nonlocal due
        on_step(done)
        # Saving takes a twentieth of the time at most; what is lost is in the store.
        if (started := time.monotonic()) >= due or len(done) >= iterations:
            save_state(state, asdict(plan), now())
            ended = time.monotonic()
            due = ended + max(1.0, 20 * (ended - started))

    try:
        return run(
            optimiser, objective, scorer, iterations,
            name=lambda architecture: str(architecture.id), parse=space.parse, resume=resume,
            # A pool of processes has to pay for its start.
            at_once=1 if cores == 1 else 32 * cores, on_step=step,
        )  # fmt: skip
    except NothingFeasible as error:
        given = ", ".join(f"--max-{name} {most:,.10g}" for name, most in plan.limits.items())
        raise InputError(f"{error} ({given}); give wider ones") from error


def trajectory(plan: Plan, done: Evaluation) -> pd.DataFrame:
    """A search as a table, one row an evaluation.

    Returns:
        Columns `proxy`, `algorithm`, `seed`, `evaluation` (from 1), `architecture`, `status`,
        `score` (at that time; an aggregate's changes), `final_score` (among all of the search),
        `incumbent` (evaluation whose score was best by then), `new`, `seconds` (of `Scored`),
        `flops`, `params`, `layers`, and where the space has its own, `limited_flops` ....
    """
    space = BENCHMARKS[plan.space].space
    objective = Objective(formula_of(plan.proxy))
    objective.extend(done.values)
    architectures = [*map(space.parse, done.architecture)]
    columns: dict[str, Any] = {
        "proxy": plan.proxy,
        "algorithm": plan.algorithm,
        "seed": plan.seed,
        "evaluation": range(1, len(done) + 1),
        "architecture": done.architecture,
        "status": done.status,
        "score": done.score,
        "final_score": objective.scores,
        "incumbent": [place + 1 for place in done.best],
        "new": done.new,
        "seconds": done.seconds,
    }
    frame = pd.DataFrame(columns)
    costs = [space.costs(architecture, plan.dataset) for architecture in architectures]
    for name in LIMITS:
        frame[name] = [getattr(cost, name) for cost in costs]
    if isinstance(space, HasLimits):
        figures = [space.limits(architecture, plan.dataset) for architecture in architectures]
        for name in LIMITS:
            frame[f"limited_{name}"] = [figure[name] for figure in figures]
    return frame


class _Scorer:
    """Scores of architectures for an objective; what the store lacks is computed.

    Closed-form sizes are the architecture's own; of all that are one network, one is built.
    """

    def __init__(
        self,
        plan: Plan,
        members: Sequence[str],
        store: Store,
        request: Request,
        workers: int | None,
        device: str,
    ) -> None:
        self._plan, self._store, self._request = plan, store, request
        self._workers, self._device = workers, device
        self._space = BENCHMARKS[plan.space].space
        self._members = [] if plan.proxy == RANDOM else [split_part(name) for name in members]
        self._sizes = [name for name in plan.columns if PROXIES[name].needs == "costs"]
        self._built = [name for name in plan.columns if name not in self._sizes]
        self._records: dict[tuple[str, str], Record] = {}
        #: Ids of the representatives that the search has met.
        self.seen: set[str] = set()

    def representative(self, arch: str) -> str:
        """Id of the one that is scored for an architecture."""
        return self._representative(self._space.parse(arch))

    def _representative(self, architecture: Any) -> str:
        if isinstance(self._space, HasCanonical):
            architecture = self._space.canonical(architecture)
        return str(architecture.id)

    def __call__(self, architectures: Sequence[Any]) -> list[Scored]:
        pairs = [(a.id, self._representative(a)) for a in architectures]
        self._fetch(self._sizes, [own for own, _ in pairs])
        self._fetch(self._built, [shared for _, shared in pairs])
        return [self._scored(*pair) for pair in pairs]

    def _fetch(self, proxies: Sequence[str], archs: Sequence[str]) -> None:
        unknown = [
            a for a in dict.fromkeys(archs) if any((p, a) not in self._records for p in proxies)
        ]
        if not unknown:
            return
        request = replace(self._request, archs=unknown, proxies=proxies)
        engine.run(request, self._store, workers=self._workers, device=self._device)
        for proxy in proxies:
            for record in self._store.records(**self._plan.columns[proxy], arch=unknown):
                self._records[proxy, record.key.arch] = record

    def _scored(self, own: str, shared: str) -> Scored:
        new = shared not in self.seen
        self.seen.add(shared)
        if self._plan.proxy == RANDOM:
            drawn = Random(derive_seed(RANDOM, self._plan.seed, own)).random()
            return Scored((drawn,), "ok", new, 0.0)
        of = {p: self._records[p, own if p in self._sizes else shared] for p in self._plan.columns}
        for proxy, part in self._members:
            check_part(proxy, part, [of[proxy]])
        values = tuple(value_of(of[proxy], part) for proxy, part in self._members)
        status = next(
            (of[p].status for (p, _), v in zip(self._members, values, strict=True) if isnan(v)),
            "ok",
        )
        seconds = sum(record.seconds for record in of.values()) if new else 0.0
        return Scored(values, status, new, seconds)
