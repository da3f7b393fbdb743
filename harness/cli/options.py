"""What `score`, `eval` and `tables` share: options, the resolved plan, scoring what is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from benchmarks import BENCHMARKS
from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies, available
from benchmarks.types import Benchmark, ids_of
from harness.cli.data import console
from harness.scores.names import is_imported

DEFAULT_OUT = Path("results")
CPU_SAMPLE = 300
BASELINES = ("params", "flops", "layers")

Proxies = Annotated[
    list[str],
    typer.Argument(
        help="Proxies, parts as vkdnw.entropy, aggregates, models; see: harness list proxies"
    ),
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
BatchSize = Annotated[
    str, typer.Option(help="Images in the batch; 64,te_nas=32 gives one proxy a batch of its own")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes [default: CPU cores, or 4 a GPU]")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
StoreFile = Annotated[
    Path | None, typer.Option("--store", help="Score store [default: scores.sqlite under results]")
]
TruthName = Annotated[
    str, typer.Option(help="auto (best there is), official, compact, analog, or a table file")
]
DropDiverged = Annotated[
    bool,
    typer.Option("--drop-diverged", help="Leave out architectures of which a training failed"),
]
RetryFailed = Annotated[bool, typer.Option(help="Score again what raised an error before")]


@dataclass(frozen=True)
class Plan:
    """The options that the commands share, resolved."""

    benchmark: Benchmark
    set_name: str
    set_size: int
    request: Any  # harness.scoring.engine.Request, imported late: torch takes seconds
    names: list[str]  # what is evaluated: proxies, parts of them, aggregates, models
    sampled: str
    device: str
    members: Sequence[str]  # ids of all that the sample was drawn from
    diverged: Sequence[str] = ()  # lines of the protocol on failed trainings

    def of_closed_forms(self) -> Plan:
        """The same for the proxies that only count: they cost nothing."""
        from harness.proxies import PROXIES

        counted = [name for name in self.request.proxies if PROXIES[name].needs == "costs"]
        return replace(self, request=replace(self.request, proxies=counted))


def make_plan(
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
    batch_size: str,
    device: str,
    truth: Accuracies | None = None,
    *,
    drop_diverged: bool = False,
    final: bool = True,
) -> Plan:
    """Resolve and check everything that can be wrong before any work is done.

    Only `final` accuracies, those after the full training, tell which trainings failed.
    """
    from harness.proxies import PROXIES
    from harness.scores.names import check_names, proxies_of
    from harness.scoring.engine import Request, resolve_device
    from harness.scoring.sampling import read_list, sample_ids

    chosen = BENCHMARKS[benchmark]
    space = chosen.space
    check_names(proxies, chosen.name)
    names = proxies_of(proxies)
    device = resolve_device(device)
    size_of_batch, batch_sizes = read_batch_sizes(batch_size)
    set_name = set_name or space.sets[0]
    if archs is not None:
        members = [each.id for each in read_list(archs, space.parse)]
        set_name = f"list {archs.name}"
    else:
        members = list(ids_of(space, set_name))
    total = len(members)
    below, failed = None, set[str]()
    if truth is not None:
        known = set(truth.values.index)
        members = [arch for arch in members if arch in known]
        if len(members) < total:
            console.print(
                f"{len(members):,} of {total:,} architectures have an accuracy; "
                "the others are left out."
            )
        below = space.dataset(dataset).diverged_below if final else None
        if below is not None:
            failed = truth.diverged(below).intersection(members)
        elif drop_diverged:
            raise InputError(
                f"which trainings failed cannot be told from these accuracies of {chosen.name} "
                f"{dataset}; leave --drop-diverged out"
            )
    candidates = [arch for arch in members if arch not in failed] if drop_diverged else members
    size = _sample_size(sample, device, len(candidates), listed=archs is not None)
    picked = sample_ids(candidates, size, sample_seed)
    request = Request(
        benchmark=chosen.name,
        dataset=dataset,
        archs=picked,
        proxies=names,
        seeds=range(seed, seed + seeds),
        batch_size=size_of_batch,
        input=input_name,
        batch_sizes=batch_sizes,
    )
    for name in names:
        request.input_of(PROXIES[name])
    sampled = (
        "all" if size is None or size == total else f"a seeded random {size:,} (seed {sample_seed})"
    )
    if len(candidates) < total:
        sampled += f" of the {len(candidates):,} with an accuracy"
        sampled += " and no diverged training," if drop_diverged else ","
    wanted = list(dict.fromkeys(proxies))
    diverged = []
    if below is not None:
        fate = (
            "left out"
            if drop_diverged
            else f"kept, {len(failed.intersection(picked)):,} in the sample"
        )
        diverged.append(
            f"{len(failed):,} of {len(members):,} architectures have a training that diverged "
            f"(accuracy below {below:g} %), {fate}"
        )
    return Plan(chosen, set_name, total, request, wanted, sampled, device, candidates, diverged)


def read_batch_sizes(text: str) -> tuple[int, dict[str, int]]:
    """The batch size of all proxies and those of single ones.

    Raises:
        InputError: The text is no such list, or a proxy is unknown.

    >>> read_batch_sizes("64"), read_batch_sizes("64,te_nas=32")
    ((64, {}), (64, {'te_nas': 32}))
    """
    from harness.proxies import PROXIES

    default, own = 64, {}
    for part in text.split(","):
        name, equals, size = part.strip().rpartition("=")
        if not size.strip().isdigit() or bool(equals) != bool(name.strip()):
            raise InputError(f"--batch-size takes a number, or as 64,te_nas=32; not {text!r}")
        if equals:
            own[PROXIES[name.strip()].name] = int(size)
        else:
            default = int(size)
    return default, own


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


def score_missing(plan: Plan, store: Any, workers: int | None, retry_failed: bool) -> None:
    """Score what the store does not hold yet, with progress and a line of what came out."""
    from harness.cli.progress import Meter
    from harness.scoring.engine import run

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


def check_writable(folder: Path) -> None:
    """Make the folder of results, before work is done in vain.

    Raises:
        InputError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write results to {folder}: {error}; choose another --out"
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"cannot write results to {folder}: not writable; choose another --out")


def batch_line(request: Any) -> str:
    """Images in the batch, with the proxies that have another."""
    others = [f"{name} {size}" for name, size in request.batch_sizes.items()]
    return ", ".join([str(request.batch_size), *others])


def inputs_line(request: Any) -> str:
    """Which proxies got which input."""
    from harness.proxies import PROXIES
    from harness.report.tables import input_title

    by_input: dict[str, list[str]] = {}
    for name in request.proxies:
        by_input.setdefault(request.input_of(PROXIES[name]), []).append(name)
    return "; ".join(f"{input_title(k)}: {', '.join(v)}" for k, v in by_input.items())


def imported_lines(names: Sequence[str]) -> list[str]:
    """Which scores came from somebody else's file, as lines of the protocol."""
    imported = list(filter(is_imported, names))
    return [f"imported, scored by others: {', '.join(imported)}"] if imported else []


def ceiling_of(plan: Plan, truth: Accuracies) -> Any:
    """Agreement of the truth with another training of the same architectures, if there is one."""
    from harness.evaluation.evaluate import agreement

    for found in available(plan.benchmark, plan.request.dataset):
        if found.table.trainings != truth.trainings:
            return agreement(truth, found.accuracies(), plan.request.archs)
    return None


def ceiling_line(ceiling: Any) -> str:
    """The retraining ceiling as a line of the protocol."""
    tau, low, high = ceiling.tau
    return (
        f"retraining ceiling: two trainings of the same {ceiling.n:,} architectures agree at "
        f"tau {tau:.3f} [{low:.3f}, {high:.3f}] ({' / '.join(ceiling.sources)})"
    )


def ndcg_line(evaluation: pd.DataFrame) -> str:
    """How the nDCG of an evaluation was computed, as a line of the protocol."""
    ps = ", ".join(map(str, sorted(set(evaluation["ndcg_p"]))))
    return f"nDCG at P = {ps}, gain 2^accuracy - 1, equal scores in seeded random order"


def write(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
