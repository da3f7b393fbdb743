"""Searches: each with a proxy, an algorithm and a seed, then the accuracy of what they found."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies, resolve, table_reader
from benchmarks.types import Benchmark
from harness.pipelines import searching
from harness.pipelines.plan import Choice
from harness.pipelines.progress import Meter
from harness.pipelines.protocol import batch_line, inputs_line
from harness.pipelines.scoring import open_store
from harness.pipelines.searching import RANDOM, Plan
from harness.report import folders
from harness.report.environment import environment
from harness.scores.store import Store
from harness.scoring.engine import Request, resolve_device
from harness.search import ALGORITHMS, Evaluation, trajectories
from harness.search.result import SearchResult
from harness.search.resume import load_state


@dataclass(frozen=True)
class SearchChoice:
    """What a user asks of searches, beyond how architectures are scored.

    Attributes:
        proxies: Names, parts, aggregates, formulas, or "random".
        algorithms: Names of `harness.search.ALGORITHMS`.
        iterations: Evaluations of each search.
        population: Architectures that compete, where the algorithm has a population.
        limits: Largest allowed figures, by `harness.pipelines.searching.LIMITS`.
        seed: First seed of the searches.
        seeds: How many, counting up.
        truth: As for `benchmarks.truth.resolve`; read when all searches have ended.
    """

    proxies: Sequence[str]
    algorithms: Sequence[str] = ("evolution",)
    iterations: int = 1000
    population: int = 100
    limits: Mapping[str, float] = field(default_factory=dict)
    seed: int = 123
    seeds: int = 1
    truth: str = "auto"


@dataclass(frozen=True)
class Planned:
    """Searches, resolved and checked.

    Attributes:
        benchmark: Whose space is searched.
        request: How architectures are scored.
        plans: One a search.
        device: As `harness.scoring.engine.run` takes it.
        choice: What was asked for.
        workers: Processes.
    """

    benchmark: Benchmark
    request: Request
    plans: Sequence[Plan]
    device: str
    choice: SearchChoice
    workers: int | None

    @property
    def identity(self) -> dict[str, object]:
        """What identifies the protocol, as plain data; more iterations go on with a search."""
        choice, request = self.choice, self.request
        return {
            "space": self.benchmark.name,
            "dataset": request.dataset,
            "limits": dict(choice.limits),
            "population": choice.population,
            "seed": choice.seed,
            "seeds": choice.seeds,
            "score_seed": request.seeds[0],
            "batch_size": request.batch_size,
            "batch_sizes": dict(sorted(request.batch_sizes.items())),
            "input": request.input,
        }


def plan_searches(choice: SearchChoice, scoring: Choice) -> Planned:
    """Resolve and check everything that can be wrong before any work is done.

    Args:
        choice: The searches.
        scoring: Space, dataset, batch, input, device; its first seed is that of all scores.

    Raises:
        InputError: Something is unknown, not there, or impossible; the message says what.
    """
    benchmark = BENCHMARKS[scoring.benchmark]
    benchmark.space.dataset(scoring.dataset)
    named = {source.name for source in benchmark.truths}
    if choice.truth != "auto" and choice.truth not in named:
        table_reader(benchmark, choice.truth)
    device = resolve_device(scoring.device)
    request = Request(
        benchmark.name, scoring.dataset, [], [], (scoring.seed,), scoring.batch_size,
        scoring.input, batch_sizes=scoring.batch_sizes,
    )  # fmt: skip
    seeds = range(choice.seed, choice.seed + choice.seeds)
    plans = searching.plans_of(
        request, choice.proxies, choice.algorithms, seeds, choice.iterations,
        choice.population, choice.limits,
    )  # fmt: skip
    return Planned(benchmark, request, plans, device, choice, scoring.workers)


def run_searches(planned: Planned, store: Store, states: Path, console: Console) -> SearchResult:
    """Run searches, or go on with them, and ask for the true accuracy of what they found.

    Args:
        planned: What.
        store: Where scores come from and go to.
        states: Folder that every search is saved in, and gone on from.
        console: Where progress shows.

    Raises:
        InputError: A state is of another search or damaged, or scoring is impossible.
    """
    plans, iterations = planned.plans, planned.choice.iterations
    # A state of another search is met before any work is done or any file written.
    files = {plan.label: states / f"{plan.label}.json" for plan in plans}
    held = [load_state(files[plan.label], asdict(plan)) for plan in plans]
    done = [min(iterations, len(s["evaluations"]["status"])) if s else 0 for s in held]
    frame = pd.concat(_frames(planned, done, store, files, console), ignore_index=True)
    # Only now that every search has ended is an accuracy read.
    accuracies = _accuracies(planned, console)
    optimum, protocol = None, []
    if accuracies is None:
        frame = trajectories.with_incumbent_rank(frame)
    else:
        frame = trajectories.with_accuracy(frame, accuracies.values)
        with console.status("looking for the optimum"):
            optimum, feasible = _optimum(plans[0], accuracies)
        protocol.append(f"accuracies: {accuracies.protocol}; read when all searches had ended")
        protocol.append(f"optimum: {optimum:.2f} %, the best of {feasible:,} within the limits")
        if (unknown := int(frame["accuracy"].isna().sum())) > 0:
            protocol.append(
                f"{unknown:,} of {len(frame):,} evaluated have no accuracy there; means are of "
                "the seeds whose find has one"
            )
    protocol += _protocol(frame, planned)
    first = plans[0]
    title = f"{first.space} {first.dataset}, {frame['seed'].nunique()} seed(s)"
    labels = [plan.label for plan in plans]
    facts = {
        "identity": planned.identity,
        "environment": environment(),
        "space": first.space,
        "dataset": first.dataset,
        "limits": dict(first.limits),
        "iterations": planned.choice.iterations,
    }
    return SearchResult(frame, protocol, facts, labels, optimum, title)


def search(
    choice: SearchChoice,
    scoring: Choice,
    *,
    store: Path,
    out: Path | None,
    force: bool,
    console: Console,
) -> SearchResult:
    """See `harness.api.search`; the caller writes the result into `out`, which is claimed."""
    planned = plan_searches(choice, scoring)
    if out is not None:
        folders.claim(out, "search", planned.identity, force=force)
    with contextlib.ExitStack() as stack:
        if out is None:
            states = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            states = out / "state"
        opened = stack.enter_context(open_store(store, console))
        return run_searches(planned, opened, states, console)


def _frames(
    planned: Planned,
    done: Sequence[int],
    store: Store,
    files: Mapping[str, Path],
    console: Console,
) -> list[pd.DataFrame]:
    """Run the searches one after another, with progress."""
    plans, iterations = planned.plans, planned.choice.iterations
    frames = []
    if sum(done):
        console.print(f"{sum(done):,} evaluations were made earlier; going on from there.")
    with Meter(console, "searching", "evaluations") as meter:
        meter.start(iterations * len(plans), sum(done))
        for place, plan in enumerate(plans):
            # Those of the searches before, which are complete, and of those to come.
            others = iterations * place + sum(done[place + 1 :])

            def step(evaluations: Evaluation, plan: Plan = plan, others: int = others) -> None:
                best = evaluations.best[-1]
                meter.reach(
                    others + len(evaluations),
                    f"{plan.proxy} {plan.algorithm} seed {plan.seed}: best "
                    f"{evaluations.score[best]:.5g} of evaluation {best + 1:,}",
                )

            try:
                found = searching.search(
                    plan, store, planned.request, iterations, files[plan.label],
                    workers=planned.workers, device=planned.device, on_step=step,
                )  # fmt: skip
            except KeyboardInterrupt:
                console.print("Stopped. Run the same command again to go on.")
                raise
            frames.append(searching.trajectory(plan, found))
    return frames


def _accuracies(planned: Planned, console: Console) -> Accuracies | None:
    """True accuracies, or None where there are none; what was found stands without them."""
    benchmark, truth = planned.benchmark, planned.choice.truth
    if not benchmark.truths:
        return None
    try:
        return resolve(benchmark, truth, planned.request.dataset)
    except InputError as error:
        if truth != "auto":
            raise
        console.print(f"No accuracies: {error}", markup=False, highlight=False)
        return None


def _optimum(plan: Plan, accuracies: Accuracies) -> tuple[float, int]:
    """The best accuracy of those that keep the limits, and how many do.

    Raises:
        InputError: None of them has an accuracy.
    """
    values = accuracies.values
    if plan.limits:
        space = BENCHMARKS[plan.space].space
        feasible = searching.moves_of(space, plan.dataset, plan.limits).feasible
        values = values[[feasible(space.parse(str(arch))) for arch in values.index]]
    if values.empty:
        raise InputError(f"{accuracies.source} has no architecture that keeps the limits")
    return float(values.max()), len(values)


def _protocol(frame: pd.DataFrame, planned: Planned) -> list[str]:
    """Lines that say what was searched, and how."""
    plans = planned.plans
    proxies = list(dict.fromkeys(proxy for plan in plans for proxy in plan.columns))
    request = replace(planned.request, proxies=proxies)
    most = ", ".join(f"{name} at most {value:,.10g}" for name, value in plans[0].limits.items())
    lines = [f"limits: {most or 'none'}"]
    for name in dict.fromkeys(plan.algorithm for plan in plans):
        algorithm = ALGORITHMS[name]
        size = next(plan.population for plan in plans if plan.algorithm == name)
        lines.append(
            f"{name} ({algorithm.paper}){f', population {size:,}' if size else ''}: "
            f"{algorithm.summary}"
        )
    seeds = [plan.seed for plan in plans]
    lines.append(
        f"{frame['evaluation'].max():,} evaluations a search, duplicates counted; "
        f"search seeds {min(seeds)} to {max(seeds)}, one score seed, {request.seeds[0]}"
    )
    if request.proxies:
        lines.append(f"scores: batch {batch_line(request)}; {inputs_line(request)}")
    if any(plan.proxy == RANDOM for plan in plans):
        lines.append("random: a number drawn for each architecture; what no proxy at all finds")
    lines.append(
        "networks scored: different ones, of all that are one network one; seconds: what the "
        "proxies took on these when they were scored, for one search"
    )
    return lines
