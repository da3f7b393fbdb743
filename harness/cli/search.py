"""`harness search`: let proxies search, then ask for the true accuracy of what they found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer

from benchmarks import BENCHMARKS
from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies, resolve, table_reader
from benchmarks.types import Benchmark
from harness.cli.data import console, show_table
from harness.cli.exchange import ProxyFiles, use_proxy_files
from harness.cli.options import (
    DEFAULT_OUT,
    BatchSize,
    DatasetName,
    Device,
    InputName,
    Seeds,
    StoreFile,
    TruthName,
    Workers,
    batch_line,
    check_writable,
    inputs_line,
    read_batch_sizes,
    write,
)

if TYPE_CHECKING:
    from harness.pipelines.searching import Plan

Limit = float | None


def search_command(
    proxies: Annotated[
        list[str],
        typer.Option("--proxy", help="Proxy, part, aggregate, or random; may be repeated"),
    ],
    space: Annotated[str, typer.Option(help="nasbench201, ...")] = "nasbench201",
    dataset: DatasetName = "cifar10",
    algorithms: Annotated[
        list[str] | None,
        typer.Option("--algorithm", help="evolution, aging, random, local; may be repeated"),
    ] = None,
    iterations: Annotated[
        int, typer.Option(min=1, help="Evaluations of each search; published: 100000")
    ] = 1000,
    population: Annotated[
        int, typer.Option(min=2, help="Architectures that compete; published: 1024")
    ] = 100,
    max_flops: Annotated[Limit, typer.Option(help="Multiply-adds at most, e.g. 450e6")] = None,
    max_params: Annotated[Limit, typer.Option(help="Parameters at most")] = None,
    max_layers: Annotated[Limit, typer.Option(help="Layers at most, as the space counts")] = None,
    seed: Annotated[int, typer.Option(help="First seed of the searches; published: 123")] = 123,
    seeds: Seeds = 1,
    score_seed: Annotated[int, typer.Option(help="Seed of weights and batch of all scores")] = 0,
    input_name: InputName = "auto",
    batch_size: BatchSize = "64",
    workers: Workers = None,
    device: Device = "auto",
    store: StoreFile = None,
    out: Annotated[Path, typer.Option(help="Folder for results")] = DEFAULT_OUT,
    truth: TruthName = "auto",
    proxy_file: ProxyFiles = None,
) -> None:
    """Search with each proxy and algorithm; run again, it goes on where it stopped."""
    use_proxy_files(proxy_file)
    benchmark = BENCHMARKS[space]
    benchmark.space.dataset(dataset)
    if truth != "auto" and truth not in {source.name for source in benchmark.truths}:
        table_reader(benchmark, truth)
    folder = out / benchmark.name / dataset / "search"
    check_writable(folder)
    given = {"flops": max_flops, "params": max_params, "layers": max_layers}
    limits = {name: most for name, most in given.items() if most is not None}

    from harness.pipelines.searching import load_state, plans_of
    from harness.scores.store import Store
    from harness.scoring.engine import Request, resolve_device

    device = resolve_device(device)
    size, sizes = read_batch_sizes(batch_size)
    request = Request(
        benchmark.name, dataset, [], [], (score_seed,), size, input_name, batch_sizes=sizes
    )
    algorithms = algorithms or ["evolution"]
    plans = plans_of(
        request, proxies, algorithms, range(seed, seed + seeds), iterations, population, limits
    )
    # A state of another search is met before any work is done or any file written.
    files = {plan.label: folder / "state" / f"{plan.label}.json" for plan in plans}
    states = [load_state(files[plan.label], plan) for plan in plans]
    done = [min(iterations, len(s["evaluations"]["status"])) if s else 0 for s in states]
    with Store(store or out / "scores.sqlite") as opened:
        frames = _search_all(plans, done, opened, request, iterations, files, workers, device)
    frame = pd.concat(frames, ignore_index=True)
    # Only now that every search has ended is an accuracy read.
    accuracies = _accuracies(benchmark, truth, dataset)
    _report(frame, plans, request, accuracies, folder)


def _search_all(
    plans: Sequence[Plan],
    done: Sequence[int],
    store: Any,
    request: Any,
    iterations: int,
    files: Mapping[str, Path],
    workers: int | None,
    device: str,
) -> list[pd.DataFrame]:
    """Run the searches one after another, with progress."""
    from harness.cli.progress import Meter
    from harness.pipelines.searching import search, trajectory

    frames = []
    if sum(done):
        console.print(f"{sum(done):,} evaluations were made earlier; going on from there.")
    with Meter(console, "searching", "evaluations") as meter:
        meter.start(iterations * len(plans), sum(done))
        for place, plan in enumerate(plans):
            # Those of the searches before, which are complete, and of those to come.
            others = iterations * place + sum(done[place + 1 :])

            def step(evaluations: Any, plan: Plan = plan, others: int = others) -> None:
                best = evaluations.best[-1]
                meter.reach(
                    others + len(evaluations),
                    f"{plan.proxy} {plan.algorithm} seed {plan.seed}: best "
                    f"{evaluations.score[best]:.5g} of evaluation {best + 1:,}",
                )

            try:
                found = search(
                    plan, store, request, iterations, files[plan.label],
                    workers=workers, device=device, on_step=step,
                )  # fmt: skip
            except KeyboardInterrupt:
                console.print("Stopped. Run the same command again to go on.")
                raise
            frames.append(trajectory(plan, found))
    return frames


def _accuracies(benchmark: Benchmark, truth: str, dataset: str) -> Accuracies | None:
    """True accuracies, or None where there are none; what was found stands without them."""
    if not benchmark.truths:
        return None
    try:
        return resolve(benchmark, truth, dataset)
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
    from harness.pipelines.searching import moves_of

    values = accuracies.values
    if plan.limits:
        space = BENCHMARKS[plan.space].space
        feasible = moves_of(space, plan.dataset, plan.limits).feasible
        values = values[[feasible(space.parse(str(arch))) for arch in values.index]]
    if values.empty:
        raise InputError(f"{accuracies.source} has no architecture that keeps the limits")
    return float(values.max()), len(values)


def _report(
    frame: pd.DataFrame,
    plans: Sequence[Plan],
    request: Any,
    accuracies: Accuracies | None,
    folder: Path,
) -> None:
    """Write trajectories, winners, table and figure; show the short form."""
    from harness.report import search as report
    from harness.report import search_plots, style, tables
    from harness.report.environment import environment
    from harness.search import trajectories

    first = plans[0]
    proxies = list(dict.fromkeys(proxy for plan in plans for proxy in plan.columns))
    request = replace(request, proxies=proxies)
    optimum, protocol = None, []
    if accuracies is None:
        frame = trajectories.with_incumbent_rank(frame)
    else:
        frame = trajectories.with_accuracy(frame, accuracies.values)
        with console.status("looking for the optimum"):
            optimum, feasible = _optimum(first, accuracies)
        protocol.append(f"accuracies: {accuracies.protocol}; read when all searches had ended")
        protocol.append(f"optimum: {optimum:.2f} %, the best of {feasible:,} within the limits")
        if (unknown := int(frame["accuracy"].isna().sum())) > 0:
            protocol.append(
                f"{unknown:,} of {len(frame):,} evaluated have no accuracy there; means are of "
                "the seeds whose find has one"
            )
    protocol += _protocol(frame, plans, request)

    summary = trajectories.summary(frame, optimum)
    found = trajectories.winners(frame)
    title = f"{first.space} {first.dataset}, {frame['seed'].nunique()} seed(s)"
    with style.house_style():
        if optimum is not None:
            curves = trajectories.curves(frame, "incumbent_accuracy")
            figure = search_plots.accuracy_figure(curves, optimum, title)
        else:
            limited = "limited_flops" if "limited_flops" in frame else "flops"
            frame["incumbent_flops"] = trajectories.of_incumbent(frame, limited)
            figure = search_plots.progress_figure(
                trajectories.curves(frame, "incumbent_rank"),
                trajectories.curves(frame, "incumbent_flops"),
                first.limits.get("flops"), title,
            )  # fmt: skip
        style.save(figure, folder / "search")
    with replacing(folder / "trajectory.parquet") as temporary:
        frame.to_parquet(temporary, index=False)
    write(folder / "trajectory.csv", tables.evaluation_csv(frame))
    for plan, (_, row) in zip(plans, found.iterrows(), strict=True):
        write(folder / "winners" / f"{plan.label}.json", _winner(plan, row))
    write(folder / "search.csv", tables.evaluation_csv(summary))
    write(folder / "search.md", report.page(summary, protocol, ["search.png"]))
    write(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")

    show_table(title, report.cells(summary, report.NARROW), text_columns=2)
    for line in protocol:
        console.print(f"  {line}", highlight=False)
    console.print(
        f"Written to {folder}: search (.md, .csv, .png, .svg), trajectory (.parquet, .csv), "
        f"winners/ ({len(found)})"
    )


def _protocol(frame: pd.DataFrame, plans: Sequence[Plan], request: Any) -> list[str]:
    """Lines that say what was searched, and how."""
    from harness.pipelines.searching import RANDOM
    from harness.search import ALGORITHMS

    first = plans[0]
    most = ", ".join(f"{name} at most {value:,.10g}" for name, value in first.limits.items())
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


def _winner(plan: Plan, row: pd.Series) -> str:
    """What a search found, as JSON that `harness build` reads."""
    content: dict[str, Any] = {
        "space": plan.space,
        "dataset": plan.dataset,
        "architecture": row["architecture"],
        "proxy": plan.proxy,
        "algorithm": plan.algorithm,
        "seed": plan.seed,
        "limits": dict(plan.limits),
        "evaluations": int(row["evaluations"]),
        "score": float(row["final_score"]),
    }
    for name, value in row.items():
        if str(name).removeprefix("limited_") in ("flops", "params", "layers"):
            content[str(name)] = int(value)
    if pd.notna(row.get("accuracy")):
        content["accuracy"] = float(row["accuracy"])
    return json.dumps(content, indent=2) + "\n"
