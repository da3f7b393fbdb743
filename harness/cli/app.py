"""The command line: `harness score | eval | tables | search | export | import-scores ...`.

Thin: it reads options, calls the stages in order and writes their results to files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies, resolve
from benchmarks.types import count_of
from harness.cli.build import build
from harness.cli.check import check_command
from harness.cli.data import console, data_app, error_console, show_table
from harness.cli.exchange import ProxyFiles, compare, export, import_scores, use_proxy_files
from harness.cli.options import (
    BASELINES,
    DEFAULT_OUT,
    Archs,
    BatchSize,
    BenchmarkName,
    DatasetName,
    Device,
    DropDiverged,
    InputName,
    Plan,
    Proxies,
    RetryFailed,
    Sample,
    SampleSeed,
    Seed,
    Seeds,
    SetName,
    StoreFile,
    TruthName,
    Workers,
    batch_line,
    ceiling_line,
    ceiling_of,
    check_writable,
    imported_lines,
    inputs_line,
    make_plan,
    ndcg_line,
    score_missing,
    write,
)
from harness.cli.search import search_command
from harness.cli.tables import tables_command
from harness.scores.names import is_imported

app = typer.Typer(
    help="Measure how well training-free proxies rank architectures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
list_app = typer.Typer(help="What is there.", no_args_is_help=True)
app.add_typer(list_app, name="list")
app.add_typer(data_app, name="data")
app.command("tables")(tables_command)
app.command("search")(search_command)
app.command("check")(check_command)
app.command()(build)
app.command()(export)
app.command()(import_scores)
app.command()(compare)


@app.command()
def score(
    proxies: Proxies,
    benchmark: BenchmarkName = "nasbench201",
    dataset: DatasetName = "cifar10",
    set_name: SetName = None,
    sample: Sample = None,
    sample_seed: SampleSeed = 0,
    archs: Archs = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    input_name: InputName = "auto",
    batch_size: BatchSize = "64",
    workers: Workers = None,
    device: Device = "auto",
    store: StoreFile = None,
    retry_failed: RetryFailed = False,
    proxy_file: ProxyFiles = None,
) -> None:
    """Score architectures with proxies, into the store; what is there already is kept."""
    from harness.scores.store import Store

    use_proxy_files(proxy_file)
    imported = list(filter(is_imported, proxies))
    if imported:
        raise InputError(f"{imported[0]!r} is imported and cannot be scored; harness eval takes it")
    plan = make_plan(
        proxies, benchmark, dataset, set_name, sample, sample_seed, archs, seed, seeds,
        input_name, batch_size, device,
    )  # fmt: skip
    with Store(store or DEFAULT_OUT / "scores.sqlite") as opened:
        score_missing(plan, opened, workers, retry_failed)
        console.print(f"Scores are in {opened.path}; harness export or harness eval reads them.")


@app.command("eval")
def evaluate_command(
    proxies: Proxies,
    aggregate: Annotated[
        list[str] | None,
        typer.Option(help="An aggregate of your own, [NAME=]log-rank(a,b.part,c) or rank(...)"),
    ] = None,
    benchmark: BenchmarkName = "nasbench201",
    dataset: DatasetName = "cifar10",
    set_name: SetName = None,
    sample: Sample = None,
    sample_seed: SampleSeed = 0,
    archs: Archs = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    input_name: InputName = "auto",
    batch_size: BatchSize = "64",
    workers: Workers = None,
    device: Device = "auto",
    store: StoreFile = None,
    retry_failed: RetryFailed = False,
    truth: TruthName = "auto",
    split: Annotated[
        str | None,
        typer.Option(help="x-valid, test, train ... [default: what the source counts as final]"),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Epochs the accuracies were trained for [default: the full training]"),
    ] = None,
    drop_diverged: DropDiverged = False,
    out: Annotated[Path, typer.Option(help="Folder for results")] = DEFAULT_OUT,
    label: Annotated[
        str, typer.Option(help="Subfolder, for another evaluation of the same dataset")
    ] = "",
    ndcg_p: Annotated[int | None, typer.Option(min=1, help="P of the nDCG")] = None,
    resamples: Annotated[int, typer.Option(min=10, help="Bootstrap resamples")] = 1000,
    proxy_file: ProxyFiles = None,
) -> None:
    """Score what is missing, evaluate against trained accuracies, report."""
    use_proxy_files(proxy_file)
    from harness.evaluation.aggregates import formula

    chosen = BENCHMARKS[benchmark]
    accuracies = resolve(chosen, truth, dataset, split, epochs)
    console.print(f"Ground truth: {accuracies.protocol}")
    folder = out / chosen.name / dataset / label
    check_writable(folder)
    plan = make_plan(
        [*proxies, *map(formula, aggregate or ()), *BASELINES], benchmark, dataset, set_name,
        sample, sample_seed, archs, seed, seeds, input_name, batch_size, device, accuracies,
        drop_diverged=drop_diverged, final=epochs in (None, chosen.space.dataset(dataset).epochs),
    )  # fmt: skip

    from harness.scores.frames import check_imported
    from harness.scores.store import Store

    with Store(store or out / "scores.sqlite") as opened:
        check_imported(opened, plan.request, plan.names)
        score_missing(plan, opened, workers, retry_failed)
        _report(plan, opened, accuracies, folder, ndcg_p, resamples)


def _report(
    plan: Plan, store: Any, truth: Accuracies, folder: Path, ndcg_p: int | None, resamples: int
) -> None:
    from dataclasses import replace

    from harness.evaluation.aggregates import AGGREGATES
    from harness.evaluation.judge import evaluate_all
    from harness.evaluation.predict import model_line
    from harness.proxies import PROXIES
    from harness.report import plots, style, tables
    from harness.report.environment import environment
    from harness.scores.coverage import complete
    from harness.scores.frames import rankings_of, sizes_of
    from harness.scores.names import proxies_of

    request = plan.request
    others = [name for name in PROXIES if name not in request.proxies]
    others += [name for name in AGGREGATES if name not in [*plan.names, *others]]
    names = [*plan.names, *complete(store, request, others)]
    request = replace(request, proxies=proxies_of(names))
    sizes = sizes_of(request)
    with console.status(f"evaluating {len(names)} rankings, {resamples} bootstrap resamples"):
        scores, features = rankings_of(store, request, names)
        evaluation = evaluate_all(
            scores,
            features,
            truth,
            sizes,
            ndcg_p=lambda n: ndcg_p or plan.benchmark.ndcg_p(n),
            resamples=resamples,
        )
        ceiling = ceiling_of(plan, truth)

    protocol = [
        f"accuracies: {truth.protocol}",
        f"architectures: {plan.sampled} of the {plan.set_size:,} of {plan.set_name}",
        *plan.diverged,
        f"scores: {len(request.seeds)} seed(s) from {request.seeds[0]}, "
        f"batch {batch_line(request)}; {inputs_line(request)}",
        *imported_lines(plan.names),
        ndcg_line(evaluation),
        f"{resamples:,} bootstrap resamples over architectures",
    ]
    if "trained_on" in evaluation:
        protocol.append(model_line(evaluation))
    if ceiling is not None:
        protocol.append(ceiling_line(ceiling))
    title = f"{plan.benchmark.name} {request.dataset}, n = {int(evaluation['n'].max()):,}"
    with style.house_style():
        span = None if ceiling is None else ceiling.tau
        style.save(plots.evaluation_figure(evaluation, BASELINES, title, span), folder / "tau")
        panels = {}
        for name, scored in scores.items():
            if name in BASELINES and len(scores) > len(BASELINES):
                continue
            column = scored.values.iloc[:, 0]
            usable = column[column.notna() & column.index.isin(truth.values.index)]
            panels[name] = (
                usable.to_numpy(),
                truth.values.loc[usable.index].to_numpy(),
                sizes.loc[usable.index, "params"].to_numpy(),
            )
        taus = dict(zip(evaluation["proxy"], evaluation["kendall_tau"], strict=True))
        style.save(plots.ranking_figure(panels, taus, title), folder / "ranking")
    figures = ("tau.png", "ranking.png")
    write(folder / "evaluation.csv", tables.evaluation_csv(evaluation))
    write(folder / "evaluation.md", tables.evaluation_markdown(evaluation, protocol, figures))
    write(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")

    show_table(f"{title}, {plan.set_name}", tables.cells(evaluation, narrow=True))
    console.print(f"  {tables.left_out(evaluation)}", highlight=False)
    for line in protocol:
        console.print(f"  {line}", highlight=False)
    console.print(
        f"Written to {folder}: evaluation.csv, evaluation.md, {', '.join(figures)} (and .svg)"
    )


@list_app.command("proxies")
def list_proxies(proxy_file: ProxyFiles = None) -> None:
    """Every proxy, aggregate and model: what it is, where from, what it sees."""
    from harness.evaluation.aggregates import AGGREGATES
    from harness.evaluation.predict import MODELS
    from harness.proxies import PROXIES

    use_proxy_files(proxy_file)
    rows = [["proxy", "aliases", "what", "paper", "weights", "mode", "input"]]
    for name in PROXIES:
        p = PROXIES[name]
        costs = p.needs == "costs"
        mode = "-" if costs else p.mode
        init = "-" if costs else p.init
        seen = "sizes" if costs else p.input
        rows.append([name, ", ".join(PROXIES.aliases(name)), p.summary, p.paper, init, mode, seen])
    show_table("Proxies", rows, text_columns=7)
    rows = [["aggregate", "what", "paper", "formula"]]
    for each in map(AGGREGATES.__getitem__, AGGREGATES):
        rows.append([each.name, each.summary, each.paper, each.formula])
    show_table("Aggregates: ranks of a whole set, joined", rows, text_columns=4)
    rows = [["model", "what", "paper"]]
    rows += [[m.name, m.summary, m.paper] for m in map(MODELS.__getitem__, MODELS)]
    show_table("Models: trained on the accuracies of some architectures", rows, text_columns=3)


@list_app.command("algorithms")
def list_algorithms() -> None:
    """Every search algorithm: what it is, where from."""
    from harness.search import ALGORITHMS

    rows = [["algorithm", "what", "paper"]]
    rows += [[a.name, a.summary, a.paper] for a in map(ALGORITHMS.__getitem__, ALGORITHMS)]
    show_table("Search algorithms", rows, text_columns=3)


@list_app.command("benchmarks")
def list_benchmarks() -> None:
    """Every benchmark: datasets, architecture sets, sources of ground truth."""
    rows = [["benchmark", "datasets", "sets", "ground truth here"]]
    for name in BENCHMARKS:
        benchmark = BENCHMARKS[name]
        space = benchmark.space
        sets = ", ".join(f"{s} ({count_of(space, s):,})" for s in space.sets)
        here = [truth.name for truth in benchmark.truths if truth.find() is not None]
        truth = ", ".join(here) or "none" if benchmark.truths else "a space without accuracies"
        rows.append([name, ", ".join(space.datasets), sets, truth])
    show_table("Benchmarks", rows, text_columns=4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Wrong input: one message on standard error, exit code 2."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="harness")
    except InputError as error:
        error_console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
