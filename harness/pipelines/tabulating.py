"""A paper's table regenerated: what a store holds of its methods, beside the published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.published import Published
from benchmarks.truth import Accuracies, resolve
from benchmarks.types import Benchmark
from harness.evaluation.aggregates import AGGREGATES
from harness.evaluation.correlations import correlations
from harness.evaluation.judge import evaluate_held
from harness.evaluation.predict import MODELS, model_line
from harness.evaluation.published import compare
from harness.evaluation.tabled import TIMED, TableResult, correlation_long
from harness.pipelines.plan import Choice, Plan, make_plan
from harness.pipelines.protocol import ceiling_line, ceiling_of, ndcg_line
from harness.pipelines.scoring import open_store, score_missing
from harness.proxies import PROXIES
from harness.report import folders
from harness.report.environment import environment
from harness.report.published import inputs_line
from harness.scores.coverage import Held, held, seconds_on
from harness.scores.frames import sizes_of
from harness.scores.names import check_names, proxies_of
from harness.scores.store import Store
from harness.scoring.cost import Stopwatch


@dataclass(frozen=True)
class Planned:
    """A table, resolved and checked.

    Attributes:
        published: The paper's figures.
        methods: Those of its methods that can be computed here.
        accuracies: By dataset.
        plans: By dataset.
    """

    published: Published
    methods: Sequence[str]
    accuracies: Mapping[str, Accuracies]
    plans: Mapping[str, Plan]

    @property
    def identity(self) -> dict[str, object]:
        """What identifies the protocol, as plain data."""
        first = next(iter(self.plans.values())).facts
        truths = {dataset: truth.protocol for dataset, truth in self.accuracies.items()}
        sizes = {dataset: plan.facts["architectures"] for dataset, plan in self.plans.items()}
        more = {"paper": self.published.key, "datasets": list(self.plans), "truth": truths}
        return {k: v for k, v in first.items() if k != "dataset"} | more | {"architectures": sizes}


def plan_table(
    choice: Choice,
    paper: str | None,
    datasets: Sequence[str],
    truth: str,
    *,
    score: bool = True,
    console: Console,
) -> Planned:
    """Resolve and check everything that can be wrong before any work is done.

    Args:
        choice: How the methods are scored; its dataset is not looked at.
        paper: Key of the paper; None: the benchmark's first.
        datasets: Which of the paper's; none: all.
        truth: As for `benchmarks.truth.resolve`.
        score: Whether anything will be scored; else the whole set is looked at.
        console: Where it is said what is left out.

    Raises:
        InputError: There is no such table, or none of a dataset, or no accuracies.
    """
    chosen = BENCHMARKS[choice.benchmark]
    published = _published(chosen, paper, datasets)
    accuracies = _accuracies(chosen, published, datasets, truth, console)
    methods = _known(published, chosen, console)
    if not score and choice.sample is None:
        choice = replace(choice, sample="all")  # to look at what is there costs nothing
    if choice.set is None and choice.archs is None:
        choice = replace(choice, set=published.set_name)
    plans = {
        dataset: make_plan(
            replace(choice, dataset=dataset), proxies_of(methods), found, console=console
        )
        for dataset, found in accuracies.items()
    }
    return Planned(published, methods, accuracies, plans)


def _published(chosen: Benchmark, paper: str | None, datasets: Sequence[str]) -> Published:
    if not chosen.papers:
        having = [name for name in BENCHMARKS if BENCHMARKS[name].papers]
        raise InputError(
            f"there are no published figures of {chosen.name}; there are of {', '.join(having)}"
        )
    published = chosen.published(paper or chosen.papers[0])
    for dataset in datasets:
        chosen.space.dataset(dataset)
        if dataset not in published.datasets:
            raise InputError(
                f"{published.source} has no figures of {dataset}; it has: "
                f"{', '.join(published.datasets)}"
            )
    return published


def _accuracies(
    chosen: Benchmark,
    published: Published,
    datasets: Sequence[str],
    truth: str,
    console: Console,
) -> dict[str, Accuracies]:
    """The accuracies of the datasets that the table is regenerated for."""
    accuracies = {}
    for dataset in dict.fromkeys(datasets or published.datasets):
        try:
            accuracies[dataset] = resolve(chosen, truth, dataset)
        except InputError as error:
            if datasets:
                raise
            raise InputError(f"{error}. Or name the datasets with --dataset") from error
        console.print(f"Ground truth: {accuracies[dataset].protocol}")
    return accuracies


def _known(published: Published, chosen: Benchmark, console: Console) -> list[str]:
    """The paper's methods that can be computed here, in its order."""
    methods = []
    for name in published.methods:
        if name not in (*PROXIES, *AGGREGATES, *MODELS):
            console.print(f"{name} is not in this harness; its row shows the published values.")
            continue
        try:
            check_names([name], chosen.name)
        except InputError as error:  # scikit-learn is an extra; the other rows need none
            console.print(f"{name} is left out: {error}", markup=False)
            continue
        methods.append(name)
    return methods


def tables(
    choice: Choice,
    *,
    paper: str | None,
    datasets: Sequence[str],
    truth: str,
    score: bool,
    resamples: int,
    store: Path,
    out: Path | None,
    force: bool,
    console: Console,
) -> TableResult:
    """See `harness.api.tables`; the caller writes the result into `out`, which is claimed."""
    planned = plan_table(choice, paper, datasets, truth, score=score, console=console)
    if not score and not store.is_file():
        raise InputError(f"there is no score store {store}; leave --no-score out to make it")
    if out is not None:
        folders.claim(out, "table", planned.identity, force=force)
    with open_store(store, console) as opened:
        return make_table(planned, opened, score=score, resamples=resamples, console=console)


def make_table(
    planned: Planned, store: Store, *, score: bool, resamples: int, console: Console
) -> TableResult:
    """Score what is missing, and evaluate what the store holds.

    Args:
        planned: What.
        store: Read and written.
        score: Score what is missing; else only closed forms.
        resamples: Bootstrap resamples for the 95 % intervals.
        console: Where progress shows.
    """
    for dataset, plan in planned.plans.items():
        console.print(f"{plan.benchmark.name} {dataset}")
        score_missing(plan if score else plan.of_closed_forms(), store, console)
    parts = {
        dataset: _part(planned, plan, store, resamples, console)
        for dataset, plan in planned.plans.items()
    }
    return TableResult(
        table=pd.concat([part.rows for part in parts.values()], ignore_index=True),
        correlations=correlation_long({name: p.correlations for name, p in parts.items()}),
        cost=pd.concat([part.cost for part in parts.values()], ignore_index=True),
        protocol={dataset: part.protocol for dataset, part in parts.items()},
        forward={dataset: part.forward for dataset, part in parts.items()},
        facts={
            "identity": planned.identity,
            "environment": environment(),
            "benchmark": next(iter(planned.plans.values())).benchmark.name,
            "batch_size": next(iter(planned.plans.values())).request.batch_size,
        },
        published=planned.published,
    )


@dataclass(frozen=True)
class _Part:
    """What comes of one dataset; `forward` in milliseconds."""

    rows: pd.DataFrame
    protocol: Sequence[str]
    correlations: tuple[pd.DataFrame, pd.DataFrame]
    cost: pd.DataFrame
    forward: float


def _part(planned: Planned, plan: Plan, store: Store, resamples: int, console: Console) -> _Part:
    """Evaluate what the store holds of a dataset."""
    request, published = plan.request, planned.published
    truth = planned.accuracies[request.dataset]
    further = [name for name in PROXIES if name not in published.methods]
    sizes, top = sizes_of(request), plan.benchmark.ndcg_p
    with console.status(f"{request.dataset}: evaluating, {resamples} bootstrap resamples"):
        names = (*planned.methods, *further)
        found = [h for name in names if (h := held(store, request, name))]
        # What rests on no score costs nothing: it is shown under the paper's own protocol.
        free = [each for each in found if not each.request.proxies]
        found = [each for each in found if each.request.proxies]
        evaluation, notes = evaluate_held(found, truth, sizes, ndcg_p=top, resamples=resamples)
        if free:
            everything = replace(request, archs=list(plan.members))
            unscored = [h for each in free if (h := held(store, everything, each.name))]
            more, why = evaluate_held(
                unscored, truth, sizes_of(everything), ndcg_p=top, resamples=resamples
            )
            evaluation, notes = pd.concat([evaluation, more], ignore_index=True), notes + why
        rows = compare(evaluation, published, request.dataset, request.batch_size)
        matrices = correlations(found, truth, sizes)
        forward, cost = _cost(plan, store, found, rows)
        ceiling = ceiling_of(plan.benchmark, request.dataset, truth, request.archs)
    protocol = [f"accuracies: {truth.protocol}", *_lines(plan, rows, evaluation)]
    if free:
        listed = ", ".join(each.name for each in free)
        protocol.append(f"{listed}: no score needed, so on all {len(plan.members):,}")
    protocol.append(f"{resamples:,} bootstrap resamples over architectures")
    if evaluation.get("trained_on", pd.Series()).notna().any():
        protocol.append(model_line(evaluation))
    if ceiling is not None:
        protocol.append(ceiling_line(ceiling))
    protocol += [f"no row: {note}" for note in notes]
    return _Part(rows, protocol, matrices, cost, forward)


def _lines(plan: Plan, rows: pd.DataFrame, evaluation: pd.DataFrame) -> list[str]:
    """Lines of the protocol on architectures, seeds, scores and the nDCG."""
    first, last = plan.request.seeds[0], plan.request.seeds[-1]
    lines = [
        f"architectures: those scored of {plan.sampled} of the {plan.set_size:,} of "
        f"{plan.set_name}; a row's n says how many",
        *plan.diverged,
        _seeds_line(rows, f"{first}" if first == last else f"{first} to {last}"),
        f"scores: {inputs_line(rows)}",
    ]
    if len(evaluation):
        top, of = plan.benchmark.ndcg_top
        lines.append(f"{ndcg_line(evaluation)}: P is {top:,} n / {of:,}, rounded")
    return lines


def _seeds_line(rows: pd.DataFrame, asked: str) -> str:
    """How many seeds the rows rest on; of models, `seeds` counts splits."""
    proxies = rows[(rows["n"] > 0) & (rows["type"] != "model")]
    counts = sorted({int(count) for count in proxies["seeds"]})
    if len(counts) <= 1:
        return f"seeds: {asked}"
    each = (
        f"{count}: {', '.join(proxies.loc[proxies['seeds'] == count, 'method'])}"
        for count in counts
    )
    return f"seeds: {asked} asked for; there are " + "; ".join(each)


def _cost(
    plan: Plan, store: Store, found: Sequence[Held], rows: pd.DataFrame
) -> tuple[float, pd.DataFrame]:
    """Milliseconds of a forward pass here, and what every method costs in such passes.

    Scores from another device than this run's get no equivalent: the times do not compare.
    """
    request = plan.request
    watch = Stopwatch(request, plan.device)
    shown = rows.set_index("method").to_dict("index")
    lines = []
    for each in found:
        row = shown.get(each.name)
        if each.scores is None or row is None or not row["n"]:
            continue
        archs = each.request.archs[:TIMED]
        passes = float("nan")
        if each.devices == (watch.device_name,):
            largest = max(each.batches.values(), default=request.batch_size)
            forward = watch.forward_seconds(archs, largest)
            passes = seconds_on(store, each, archs) / forward
        lines.append(
            {
                "dataset": request.dataset,
                "method": row["label"],
                "n": int(row["n"]),
                "milliseconds": 1000 * float(row["seconds"]),
                "forward_passes": passes,
                "batch": each.batch,
                "device": ", ".join(each.devices),
            }
        )
    columns = ["dataset", "method", "n", "milliseconds", "forward_passes", "batch", "device"]
    cost = pd.DataFrame(lines, columns=columns)
    forward = 1000 * watch.forward_seconds(request.archs[:TIMED], request.batch_size)
    return forward, cost.sort_values("milliseconds", kind="stable")
