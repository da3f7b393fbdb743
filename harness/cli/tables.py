"""`harness tables`: the published table of a benchmark, regenerated beside the paper's figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.published import Published
from benchmarks.truth import Accuracies, resolve
from benchmarks.types import Benchmark
from harness.cli.data import console, show_table
from harness.cli.options import (
    DEFAULT_OUT,
    BatchSize,
    BenchmarkName,
    Device,
    DropDiverged,
    Plan,
    Sample,
    SampleSeed,
    Seed,
    Seeds,
    SetName,
    StoreFile,
    TruthName,
    Workers,
    ceiling_line,
    ceiling_of,
    check_writable,
    make_plan,
    ndcg_line,
    score_missing,
    write,
)

#: Cells on which forward passes are timed.
TIMED = 8


@dataclass(frozen=True)
class _Part:
    """What comes of one dataset.

    Attributes:
        rows: Of `harness.evaluation.published.compare`.
        protocol: Lines that say what the rows rest on.
        correlations: Of `harness.evaluation.correlations.correlations`.
        cost: Of `harness.report.published.cost_cells`.
        forward: Milliseconds of a forward pass.
    """

    rows: pd.DataFrame
    protocol: Sequence[str]
    correlations: tuple[pd.DataFrame, pd.DataFrame]
    cost: pd.DataFrame
    forward: float


def tables_command(
    benchmark: BenchmarkName = "nasbench201",
    datasets: Annotated[
        list[str] | None,
        typer.Option("--dataset", help="May be repeated [default: all with published figures]"),
    ] = None,
    set_name: SetName = None,
    sample: Sample = None,
    sample_seed: SampleSeed = 0,
    seed: Seed = 0,
    seeds: Seeds = 1,
    batch_size: BatchSize = "64",
    store: StoreFile = None,
    out: Annotated[Path, typer.Option(help="Folder for results")] = DEFAULT_OUT,
    score: Annotated[
        bool, typer.Option(help="Score what is missing; else only closed forms, and show the rest")
    ] = True,
    workers: Workers = None,
    device: Device = "auto",
    truth: TruthName = "auto",
    drop_diverged: DropDiverged = False,
    resamples: Annotated[int, typer.Option(min=10, help="Bootstrap resamples")] = 1000,
) -> None:
    """Regenerate the published table of a benchmark: every method beside the paper's figures."""
    chosen = BENCHMARKS[benchmark]
    published, accuracies = _targets(chosen, datasets, truth)
    folder = out / chosen.name / "table1"
    check_writable(folder)
    file = store or out / "scores.sqlite"
    if not score and not file.is_file():
        raise InputError(f"there is no score store {file}; leave --no-score out to make it")

    from harness.scores.names import proxies_of

    methods = _known(published, chosen)
    if not score and sample is None:
        sample = "all"  # to look at what is there costs nothing
    plans = {
        dataset: make_plan(
            proxies_of(methods), chosen.name, dataset, set_name, sample, sample_seed, None, seed,
            seeds, "auto", batch_size, device, truth, drop_diverged=drop_diverged,
        )
        for dataset, truth in accuracies.items()
    }  # fmt: skip

    from harness.scores.store import Store

    with Store(file) as opened:
        for dataset, plan in plans.items():
            console.print(f"{chosen.name} {dataset}")
            wanted = plan if score else plan.of_closed_forms()
            score_missing(wanted, opened, workers, retry_failed=False)
        parts = {
            dataset: _part(plan, opened, accuracies[dataset], published, methods, resamples)
            for dataset, plan in plans.items()
        }
    _report(parts, published, folder)


def _targets(
    chosen: Benchmark, datasets: Sequence[str] | None, truth: str
) -> tuple[Published, dict[str, Accuracies]]:
    """The paper's table, and the accuracies of the datasets that it is regenerated for.

    Raises:
        InputError: There is no such table, or none of a dataset, or no accuracies.
    """
    if chosen.published is None:
        having = [name for name in BENCHMARKS if BENCHMARKS[name].published is not None]
        raise InputError(
            f"there are no published figures of {chosen.name}; there are of {', '.join(having)}"
        )
    published = chosen.published()
    for dataset in datasets or ():
        chosen.space.dataset(dataset)
        if dataset not in published.datasets:
            raise InputError(
                f"{published.source} has no figures of {dataset}; it has: "
                f"{', '.join(published.datasets)}"
            )
    accuracies = {}
    for dataset in dict.fromkeys(datasets or published.datasets):
        try:
            accuracies[dataset] = resolve(chosen, truth, dataset)
        except InputError as error:
            if datasets:
                raise
            raise InputError(f"{error}. Or name the datasets with --dataset") from error
        console.print(f"Ground truth: {accuracies[dataset].protocol}")
    return published, accuracies


def _known(published: Published, chosen: Benchmark) -> list[str]:
    """The paper's methods that can be computed here, in its order."""
    from harness.evaluation.aggregates import AGGREGATES
    from harness.evaluation.predict import MODELS
    from harness.proxies import PROXIES
    from harness.scores.names import check_names

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


def _part(
    plan: Plan,
    store: Any,
    truth: Accuracies,
    published: Published,
    methods: Sequence[str],
    resamples: int,
) -> _Part:
    """Evaluate what the store holds of a dataset."""
    from harness.evaluation.correlations import correlations
    from harness.evaluation.judge import evaluate_held
    from harness.evaluation.predict import model_line
    from harness.evaluation.published import compare
    from harness.proxies import PROXIES
    from harness.report import published as report
    from harness.scores.coverage import held
    from harness.scores.frames import sizes_of

    request = plan.request
    further = [name for name in PROXIES if name not in published.methods]
    sizes = sizes_of(request)
    with console.status(f"{request.dataset}: evaluating, {resamples} bootstrap resamples"):
        found = [h for name in (*methods, *further) if (h := held(store, request, name))]
        # What rests on no score costs nothing: it is shown under the paper's own protocol.
        free = [each for each in found if not each.request.proxies]
        found = [each for each in found if each.request.proxies]
        evaluation, notes = evaluate_held(
            found, truth, sizes, ndcg_p=plan.benchmark.ndcg_p, resamples=resamples
        )
        if free:
            everything = replace(request, archs=list(plan.members))
            unscored = [h for each in free if (h := held(store, everything, each.name))]
            more, why = evaluate_held(
                unscored,
                truth,
                sizes_of(everything),
                ndcg_p=plan.benchmark.ndcg_p,
                resamples=resamples,
            )
            evaluation, notes = pd.concat([evaluation, more], ignore_index=True), notes + why
        rows = compare(evaluation, published, request.dataset, request.batch_size)
        matrices = correlations(found, truth, sizes)
        forward, cost = _cost(plan, store, found, rows)
        ceiling = ceiling_of(plan, truth)
    first, last = request.seeds[0], request.seeds[-1]
    protocol = [
        f"accuracies: {truth.protocol}",
        f"architectures: those scored of {plan.sampled} of the {plan.set_size:,} of "
        f"{plan.set_name}; a row's n says how many",
        *plan.diverged,
        _seeds_line(rows, f"{first}" if first == last else f"{first} to {last}"),
        f"scores: {report.inputs_line(rows)}",
    ]
    if len(evaluation):
        top, of = plan.benchmark.ndcg_top
        protocol.append(f"{ndcg_line(evaluation)}: P is {top:,} n / {of:,}, rounded")
    if free:
        names = ", ".join(each.name for each in free)
        protocol.append(f"{names}: no score needed, so on all {len(plan.members):,}")
    protocol.append(f"{resamples:,} bootstrap resamples over architectures")
    if evaluation.get("trained_on", pd.Series()).notna().any():
        protocol.append(model_line(evaluation))
    if ceiling is not None:
        protocol.append(ceiling_line(ceiling))
    protocol += [f"no row: {note}" for note in notes]
    return _Part(rows, protocol, matrices, cost, forward)


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
    plan: Plan, store: Any, found: Sequence[Any], rows: pd.DataFrame
) -> tuple[float, pd.DataFrame]:
    """Milliseconds of a forward pass here, and what every method costs in such passes.

    Scores from another device than this run's get no equivalent: the times do not compare.
    """
    from harness.scores.coverage import seconds_on
    from harness.scoring.cost import Stopwatch

    request = plan.request
    watch = Stopwatch(request, plan.device)
    shown = rows.set_index("method")
    lines = []
    for each in found:
        if each.scores is None or each.name not in shown.index or not shown.at[each.name, "n"]:
            continue
        archs = each.request.archs[:TIMED]
        passes = float("nan")
        if each.devices == (watch.device_name,):
            largest = max(each.batches.values(), default=request.batch_size)
            forward = watch.forward_seconds(archs, largest)
            passes = seconds_on(store, each, archs) / forward
        row = shown.loc[each.name]
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


def _report(parts: Mapping[str, _Part], published: Published, folder: Path) -> None:
    """Write tables and figures; show the short form."""
    from harness.report import published as report
    from harness.report import published_plots as plots
    from harness.report import style, tables
    from harness.report.environment import environment

    comparison = pd.concat([part.rows for part in parts.values()], ignore_index=True)
    protocols = {dataset: part.protocol for dataset, part in parts.items()}
    matrices = {dataset: part.correlations for dataset, part in parts.items()}
    stem = report.stem(published)
    heat_maps = {dataset: f"correlation_{dataset}.png" for dataset in parts}
    cost = pd.concat([part.cost for part in parts.values()], ignore_index=True)

    with style.house_style():
        title = f"Ours against {published.source}"
        style.save(plots.published_figure(comparison, title), folder / "published")
        style.save(
            plots.size_figure(comparison, "Right ranking, or ranking by size?"), folder / "size"
        )
        for dataset, (tau, _) in matrices.items():
            figure = plots.correlation_figure(tau, f"{dataset}: Kendall's tau between methods")
            style.save(figure, folder / f"correlation_{dataset}")
    write(folder / f"{stem}.csv", tables.evaluation_csv(comparison))
    write(folder / f"{stem}.md", report.page(comparison, published, protocols, ["published.png"]))
    write(folder / f"{stem}.tex", report.latex(comparison, published, protocols))
    write(folder / "correlation.csv", tables.evaluation_csv(report.correlation_long(matrices)))
    write(folder / "correlation.md", report.correlation_page(matrices, comparison, heat_maps))
    write(folder / "cost.csv", tables.evaluation_csv(cost))
    write(folder / "cost.md", report.cost_page(cost, _cost_protocol(parts)))
    write(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")

    for dataset, part in parts.items():
        rows = part.rows[part.rows["in_paper"]]
        show_table(f"{published.source}, {dataset}", report.cells(rows, ["kendall_tau"]), 2)
        further = part.rows[~part.rows["in_paper"]]
        if len(further):
            show_table(f"not in the paper, {dataset}", report.further_cells(further))
        for line in part.protocol:
            console.print(f"  {line}", highlight=False)
    console.print(report.verdict(comparison))
    console.print(
        f"Written to {folder}: {stem} (.md, .csv, .tex), correlation (.md, .csv), cost (.md, "
        f".csv), {', '.join(['published.png', 'size.png', *heat_maps.values()])} (and .svg)"
    )


def _cost_protocol(parts: Mapping[str, _Part]) -> list[str]:
    passes = ", ".join(f"{dataset} {part.forward:.3g} ms" for dataset, part in parts.items())
    return [
        "ms/arch: mean over the n architectures of the row, as timed when they were scored, one "
        "thread (on a GPU, several workers share it); of an aggregate, of its proxies together",
        f"forward passes: mean time of {TIMED} architectures (all, where there are fewer) "
        "over that of one forward pass of the same architectures, timed in this run: the row's "
        "batch of noise (where a proxy sees none, that asked for), eval mode, no gradients, one "
        "thread, the fastest of three",
        f"a forward pass took: {passes}",
        "no forward passes are given where the scores were made on another device than this run's",
        "models cost what the scores they read cost; seconds come from the machine that made the "
        "scores, and whatever else it was doing",
    ]
