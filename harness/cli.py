"""The command line: `harness score | eval | export | list | data`.

Thin: it reads options, calls the stages in order and writes their results to files.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import BENCHMARKS
from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies, resolve
from benchmarks.types import Benchmark
from harness.cli_data import console, data_app, error_console, show_table

app = typer.Typer(
    help="Measure how well training-free proxies rank architectures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
list_app = typer.Typer(help="What is there.", no_args_is_help=True)
app.add_typer(list_app, name="list")
app.add_typer(data_app, name="data")

DEFAULT_OUT = Path("results")
CPU_SAMPLE = 300
BASELINES = ("params", "flops", "layers")

Proxies = Annotated[
    list[str], typer.Argument(help="Proxies, or parts as vkdnw.entropy; see: harness list proxies")
]
BenchmarkName = Annotated[str, typer.Option("--benchmark", help="nasbench201, ...")]
DatasetName = Annotated[str, typer.Option("--dataset", help="cifar10, cifar100, ...")]
SetName = Annotated[
    str | None, typer.Option("--set", help="Architecture set, e.g. reachable, all, unique")
]
Sample = Annotated[
    str | None,
    typer.Option(
        help=f"How many of the set, or all [default: all on a GPU, {CPU_SAMPLE} on a CPU]"
    ),
]
SampleSeed = Annotated[int, typer.Option(help="Seed of the sample; samples are nested")]
Archs = Annotated[
    Path | None, typer.Option(help="File with one architecture a line, instead of a set")
]
Seed = Annotated[int, typer.Option(help="First seed of weights and batch")]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, counting up from --seed")]
InputName = Annotated[
    str, typer.Option("--input", help="auto (what each proxy prefers), gaussian, cifar10, ...")
]
BatchSize = Annotated[int, typer.Option(help="Images in the batch")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes [default: CPU cores, or 4 a GPU]")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
StoreFile = Annotated[
    Path | None, typer.Option("--store", help="Score store [default: scores.sqlite under results]")
]
RetryFailed = Annotated[bool, typer.Option(help="Score again what raised an error before")]


@dataclass(frozen=True)
class _Plan:
    """The options that `score` and `eval` share, resolved."""

    benchmark: Benchmark
    set_name: str
    set_size: int
    request: Any  # harness.engine.Request, imported late: torch takes seconds
    names: list[str]  # what is evaluated: proxies, and parts of them
    sampled: str
    device: str


def _plan(
    proxies: Sequence[str],
    benchmark: str,
    dataset: str,
    set_name: str | None,
    sample: str | None,
    sample_seed: int,
    archs: Path | None,
    seed: int,
    seeds: int,
    input_name: str,
    batch_size: int,
    device: str,
    truth: Accuracies | None = None,
) -> _Plan:
    """Resolve and check everything that can be wrong before any work is done."""
    from harness.engine import Request, resolve_device
    from harness.proxies import PROXIES
    from harness.sampling import read_list
    from harness.sampling import sample as draw
    from harness.scores import split_part

    chosen = BENCHMARKS[benchmark]
    space = chosen.space
    parts = [split_part(name) for name in proxies]
    names = list(dict.fromkeys(name for name, _ in parts))
    device = resolve_device(device)
    set_name = set_name or space.sets[0]
    if archs is not None:
        members = read_list(archs, space.parse)
        set_name = f"list {archs.name}"
    else:
        members = list(space.architectures(set_name))
    total = len(members)
    if truth is not None:
        members = [a for a in members if a.id in truth.values.index]
        if len(members) < total:
            console.print(
                f"{len(members):,} of {total:,} architectures have an accuracy; "
                "the others are left out."
            )
    size = _sample_size(sample, device, len(members), listed=archs is not None)
    picked = draw(members, size, sample_seed)
    request = Request(
        benchmark=chosen.name,
        dataset=dataset,
        archs=[a.id for a in picked],
        proxies=names,
        seeds=range(seed, seed + seeds),
        batch_size=batch_size,
        input=input_name,
    )
    for name in names:
        request.input_of(PROXIES[name])
    sampled = (
        "all" if size is None or size == total else f"a seeded random {size:,} (seed {sample_seed})"
    )
    wanted = list(dict.fromkeys(n if part is None else f"{n}.{part}" for n, part in parts))
    return _Plan(chosen, set_name, total, request, wanted, sampled, device)


def _sample_size(sample: str | None, device: str, available: int, *, listed: bool) -> int | None:
    if sample is None:
        if listed or device != "cpu" or available <= CPU_SAMPLE:
            return None
        console.print(
            f"No --sample given: on a CPU, {CPU_SAMPLE} random architectures of {available:,} "
            "(--sample N or all for more)."
        )
        return CPU_SAMPLE
    if sample == "all":
        return None
    if not sample.isdigit():
        raise InputError(f"--sample takes a number or all, not {sample!r}")
    return int(sample)


def _score(plan: _Plan, store: Any, workers: int | None, retry_failed: bool) -> None:
    from harness.engine import run
    from harness.progress import Meter

    with Meter(console, "scoring", "scores") as meter:

        def begin(total: int, stored: int) -> None:
            if stored:
                console.print(f"{stored:,} scores are in {store.path}; {total:,} to make.")
            meter.start(total)

        try:
            tally = run(
                plan.request,
                store,
                workers=workers,
                device=plan.device,
                retry_failed=retry_failed,
                on_start=begin,
                on_record=lambda record: meter.advance(),
            )
        except KeyboardInterrupt:
            console.print(f"Stopped. What was scored is in {store.path}; run it again to go on.")
            raise
    failures = ", ".join(f"{count:,} {status}" for status, count in sorted(tally.failed.items()))
    console.print(
        f"{tally.scored:,} scored in {tally.seconds:,.1f} s on {plan.device}"
        + (f"; without a score: {failures}" if failures else "")
    )


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
    batch_size: BatchSize = 64,
    workers: Workers = None,
    device: Device = "auto",
    store: StoreFile = None,
    retry_failed: RetryFailed = False,
) -> None:
    """Score architectures with proxies, into the store; what is there already is kept."""
    from harness.store import Store

    plan = _plan(
        proxies, benchmark, dataset, set_name, sample, sample_seed, archs, seed, seeds,
        input_name, batch_size, device,
    )  # fmt: skip
    with Store(store or DEFAULT_OUT / "scores.sqlite") as opened:
        _score(plan, opened, workers, retry_failed)
        console.print(f"Scores are in {opened.path}; harness export or harness eval reads them.")


@app.command("eval")
def evaluate_command(
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
    batch_size: BatchSize = 64,
    workers: Workers = None,
    device: Device = "auto",
    store: StoreFile = None,
    retry_failed: RetryFailed = False,
    truth: Annotated[
        str, typer.Option(help="auto (best there is), official, compact, analog, or a table file")
    ] = "auto",
    split: Annotated[str | None, typer.Option(help="x-valid, x-test, ori-test, train")] = None,
    epochs: Annotated[int, typer.Option(help="Epochs the accuracies were trained for")] = 200,
    out: Annotated[Path, typer.Option(help="Folder for results")] = DEFAULT_OUT,
    ndcg_p: Annotated[int | None, typer.Option(min=1, help="P of the nDCG")] = None,
    resamples: Annotated[int, typer.Option(min=10, help="Bootstrap resamples")] = 1000,
) -> None:
    """Score what is missing, evaluate against trained accuracies, report."""
    chosen = BENCHMARKS[benchmark]
    chosen.space.dataset(dataset)
    accuracies = resolve(chosen, truth, dataset, split, epochs)
    console.print(f"Ground truth: {accuracies.protocol}")
    folder = out / chosen.name / dataset
    _check_writable(folder)
    plan = _plan(
        [*proxies, *BASELINES], benchmark, dataset, set_name, sample, sample_seed, archs, seed,
        seeds, input_name, batch_size, device, accuracies,
    )  # fmt: skip

    from harness.store import Store

    with Store(store or out / "scores.sqlite") as opened:
        _score(plan, opened, workers, retry_failed)
        _report(plan, opened, accuracies, folder, ndcg_p, resamples)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write results to {folder}: {error}; choose another --out"
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"cannot write results to {folder}: not writable; choose another --out")


def _report(
    plan: _Plan, store: Any, truth: Accuracies, folder: Path, ndcg_p: int | None, resamples: int
) -> None:
    from dataclasses import replace

    from harness.evaluate import evaluate
    from harness.proxies import PROXIES
    from harness.report import plots, style, tables
    from harness.report.environment import environment
    from harness.scores import complete, scores_of, sizes_of

    request = plan.request
    others = [name for name in PROXIES if name not in request.proxies]
    stored = complete(store, request, others)
    request = replace(request, proxies=[*request.proxies, *stored])
    names = [*plan.names, *stored]
    top, of = plan.benchmark.ndcg_top
    scores = scores_of(store, request, names)
    sizes = sizes_of(request)
    with console.status(f"evaluating {len(scores)} proxies, {resamples} bootstrap resamples"):
        evaluation = evaluate(
            scores,
            truth,
            sizes,
            ndcg_p=lambda n: ndcg_p or max(1, round(top * n / of)),
            resamples=resamples,
        )
        ceiling = _ceiling(plan, truth)

    ps = sorted(set(evaluation["ndcg_p"]))
    protocol = [
        f"accuracies: {truth.protocol}",
        f"architectures: {plan.sampled} of the {plan.set_size:,} of {plan.set_name}",
        f"scores: {len(request.seeds)} seed(s) from {request.seeds[0]}, "
        f"batch {request.batch_size}; {_inputs(request)}",
        f"nDCG at P = {', '.join(map(str, ps))}, gain 2^accuracy - 1, "
        "equal scores in seeded random order",
        f"{resamples:,} bootstrap resamples over architectures",
    ]
    if ceiling is not None:
        tau, low, high = ceiling.tau
        protocol.append(
            f"retraining ceiling: two trainings of the same {ceiling.n:,} architectures agree at "
            f"tau {tau:.3f} [{low:.3f}, {high:.3f}] ({' / '.join(ceiling.sources)})"
        )
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
    _write(folder / "evaluation.csv", tables.evaluation_csv(evaluation))
    _write(folder / "evaluation.md", tables.evaluation_markdown(evaluation, protocol, figures))
    _write(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")

    show_table(f"{title}, {plan.set_name}", tables.cells(evaluation, tables.NARROW))
    for line in protocol:
        console.print(f"  {line}", highlight=False)
    console.print(
        f"Written to {folder}: evaluation.csv, evaluation.md, {', '.join(figures)} (and .svg)"
    )


def _inputs(request: Any) -> str:
    """Which proxies got which input."""
    from harness.proxies import PROXIES

    by_input: dict[str, list[str]] = {}
    for name in request.proxies:
        by_input.setdefault(request.input_of(PROXIES[name]), []).append(name)
    labels = {"none": "no data", "gaussian": "Gaussian noise"}
    return "; ".join(f"{labels.get(k, k + ' images')}: {', '.join(v)}" for k, v in by_input.items())


def _ceiling(plan: _Plan, truth: Accuracies) -> Any:
    """Agreement of the truth with another training of the same architectures, if there is one."""
    from harness.evaluate import agreement

    dataset = plan.request.dataset
    for source in plan.benchmark.truths:
        path = source.find() if source.automatic else None
        if path is None:
            continue
        table = source.load(path)
        split = plan.benchmark.space.datasets[dataset].split
        if table.trainings != truth.trainings and table.holds(dataset, split, 200):
            return agreement(truth, table.accuracies(dataset, split, 200), plan.request.archs)
    return None


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="Written; .csv or .parquet")],
    store: StoreFile = None,
    benchmark: BenchmarkName = "nasbench201",
    dataset: DatasetName = "cifar10",
    batch_size: Annotated[int | None, typer.Option(help="Only scores with this batch size")] = None,
    input_name: Annotated[str | None, typer.Option("--input", help="Only with this input")] = None,
) -> None:
    """Write the store's scores as one table: a row an architecture and seed."""
    from harness.scores import export_frame
    from harness.store import Store

    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"cannot export to {path}: the name must end in .csv or .parquet")
    file = store or DEFAULT_OUT / "scores.sqlite"
    if not file.is_file():
        raise InputError(
            f"there is no score store {file}; make one with harness score --store FILE"
        )
    with Store(file) as opened:
        frame = export_frame(opened, benchmark, dataset, batch_size=batch_size, input=input_name)
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
    console.print(f"{len(frame):,} rows, {len(frame.columns)} columns in {path}")


@list_app.command("proxies")
def list_proxies() -> None:
    """Every proxy: what it is, where from, what it sees."""
    from harness.proxies import PROXIES

    rows = [["proxy", "aliases", "what", "paper", "weights", "mode", "input"]]
    for name in PROXIES:
        p = PROXIES[name]
        costs = p.needs == "costs"
        mode = "-" if costs else p.mode
        init = "-" if costs else p.init
        seen = "sizes" if costs else p.input
        rows.append([name, ", ".join(PROXIES.aliases(name)), p.summary, p.paper, init, mode, seen])
    show_table("Proxies", rows, text_columns=7)


@list_app.command("benchmarks")
def list_benchmarks() -> None:
    """Every benchmark: datasets, architecture sets, sources of ground truth."""
    rows = [["benchmark", "datasets", "sets", "ground truth here"]]
    for name in BENCHMARKS:
        benchmark = BENCHMARKS[name]
        space = benchmark.space
        sets = ", ".join(f"{s} ({len(space.architectures(s)):,})" for s in space.sets)
        here = [truth.name for truth in benchmark.truths if truth.find() is not None]
        rows.append([name, ", ".join(space.datasets), sets, ", ".join(here) or "none"])
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
