"""What is to be scored, resolved and checked before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies
from benchmarks.types import Benchmark, ids_of
from harness.evaluation.ground import FEWEST
from harness.proxies import PROXIES
from harness.scores.names import check_names, proxies_of
from harness.scoring.engine import Request, resolve_device
from harness.scoring.sampling import read_list, sample_ids

#: Size of the sample that is drawn on a CPU where none is asked for.
CPU_SAMPLE = 300
#: What the set is called that a truth table of the user's own makes of its architectures.
OWN_SET = "the truth table"


@dataclass(frozen=True)
class Choice:
    """What a user asks for, as it is given; the options of every job that scores.

    Attributes:
        benchmark: Name of a benchmark.
        dataset: Its dataset key.
        set: Architecture set; None: that of the user's own truth table, or the benchmark's default.
        sample: How many of the set, or "all"; None: all on a GPU, `CPU_SAMPLE` on a CPU.
        sample_seed: Of the sample; samples of one seed are nested.
        archs: Architectures instead of a set: a file with one a line, or their names.
        seed: First seed of weights and batch.
        seeds: How many, counting up.
        input: "auto" (what each proxy prefers), "gaussian", or the name of an image set.
        batch_size: Images in the batch.
        batch_sizes: Other batch sizes, by proxy.
        device: "auto", "cpu", "cuda" or "cuda:N".
        workers: Processes; None: one a CPU core, or four a GPU.
        retry_failed: Score again what raised an error before.
        drop_diverged: Leave out architectures of which a training failed.
    """

    benchmark: str = "nasbench201"
    dataset: str = "cifar10"
    set: str | None = None
    sample: int | str | None = None
    sample_seed: int = 0
    archs: Path | Sequence[str] | None = None
    seed: int = 0
    seeds: int = 1
    input: str = "auto"
    batch_size: int = 64
    batch_sizes: Mapping[str, int] = field(default_factory=dict)
    device: str = "auto"
    workers: int | None = None
    retry_failed: bool = False
    drop_diverged: bool = False

    def check(self) -> None:
        """See that numbers are in their range.

        Raises:
            InputError: One is not.
        """
        if self.seeds < 1:
            raise InputError(f"{self.seeds} seeds are none; ask for 1 or more")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"{self.workers} workers are none; ask for 1 or more")

    def with_batch(self, given: int | str | Mapping[str, int]) -> Choice:
        """With a batch size as people give it: 64, "64,te_nas=32", or {"te_nas": 32}.

        Raises:
            InputError: It is no such thing, or a proxy is unknown.
        """
        if isinstance(given, Mapping):
            own = {PROXIES[name].name: int(size) for name, size in given.items()}
            return replace(self, batch_sizes=own)
        size, own = read_batch_sizes(str(given))
        return replace(self, batch_size=size, batch_sizes=own)


@dataclass(frozen=True)
class Plan:
    """A choice, resolved.

    Attributes:
        choice: What was asked for.
        benchmark: Whose architectures.
        set_name: The set that they are of, or "list FILE".
        set_size: Its size.
        request: What is scored.
        names: What is evaluated: proxies, parts of them, aggregates, models.
        sampled: How the architectures were chosen, in words.
        device: As `harness.scoring.engine.run` takes it.
        members: Ids of all that the sample was drawn from.
        diverged: Lines of the protocol on failed trainings.
    """

    choice: Choice
    benchmark: Benchmark
    set_name: str
    set_size: int
    request: Request
    names: Sequence[str]
    sampled: str
    device: str
    members: Sequence[str]
    diverged: Sequence[str] = ()

    def of_closed_forms(self) -> Plan:
        """The same for the proxies that only count: they cost nothing."""
        counted = [name for name in self.request.proxies if PROXIES[name].needs == "costs"]
        return replace(self, request=replace(self.request, proxies=counted))

    @property
    def facts(self) -> dict[str, object]:
        """What identifies the protocol of its scores, as plain data.

        Two results of one protocol may stand in one place; see `harness.report.folders.claim`.
        """
        choice, request = self.choice, self.request
        return {
            "benchmark": self.benchmark.name,
            "dataset": request.dataset,
            "set": self.set_name,
            "architectures": len(request.archs),
            "sample_seed": choice.sample_seed,
            "seeds": list(request.seeds),
            "batch_size": request.batch_size,
            "batch_sizes": dict(sorted(request.batch_sizes.items())),
            "input": request.input,
            "drop_diverged": choice.drop_diverged,
        }


def make_plan(
    choice: Choice,
    proxies: Sequence[str],
    truth: Accuracies | None = None,
    *,
    final: bool = True,
    console: Console | None = None,
) -> Plan:
    """Resolve and check everything that can be wrong before any work is done.

    Args:
        choice: What is asked for.
        proxies: Names of proxies, parts, aggregates and models.
        truth: Accuracies; architectures without one are left out.
        final: Whether these are of the full training: only they tell which trainings failed.
        console: Where it is said what was left out, or sampled.

    Raises:
        InputError: Something is unknown, not there, or impossible; the message says what.
    """
    console = console or Console(quiet=True)
    choice.check()
    benchmark = BENCHMARKS[choice.benchmark]
    space = benchmark.space
    check_names(proxies, benchmark.name)
    names = proxies_of(proxies)
    device = resolve_device(choice.device)
    set_name, members = _members(choice, benchmark, truth)
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
        below, failed = _diverged(choice, benchmark, truth, members, final=final)
    dropping = choice.drop_diverged
    candidates = [arch for arch in members if arch not in failed] if dropping else members
    listed = choice.archs is not None or set_name == OWN_SET
    size = _sample_size(choice, device, len(candidates), console, listed=listed)
    picked = sample_ids(candidates, size, choice.sample_seed)
    if truth is not None and len(picked) < FEWEST:
        raise InputError(
            f"{len(picked)} architectures with an accuracy cannot be ranked; at least {FEWEST} are "
            "needed: take a larger --sample"
        )
    request = Request(
        benchmark=benchmark.name,
        dataset=space.dataset(choice.dataset).name,
        archs=picked,
        proxies=names,
        seeds=range(choice.seed, choice.seed + choice.seeds),
        batch_size=choice.batch_size,
        input=choice.input,
        batch_sizes=choice.batch_sizes,
    )
    for name in names:
        request.input_of(PROXIES[name])
    diverged = []
    if below is not None:
        kept = f"kept, {len(failed.intersection(picked)):,} in the sample"
        diverged.append(
            f"{len(failed):,} of {len(members):,} architectures have a training that diverged "
            f"(accuracy below {below:g} %), {'left out' if dropping else kept}"
        )
    return Plan(
        choice,
        benchmark,
        set_name,
        total,
        request,
        list(dict.fromkeys(proxies)),
        _sampled(choice, size, total, len(candidates)),
        device,
        candidates,
        diverged,
    )


def _diverged(
    choice: Choice, benchmark: Benchmark, truth: Accuracies, members: Sequence[str], *, final: bool
) -> tuple[float | None, set[str]]:
    """Below which accuracy a training has failed, and the members with such a training."""
    below = benchmark.space.dataset(choice.dataset).diverged_below if final else None
    if below is not None:
        return below, truth.diverged(below).intersection(members)
    if choice.drop_diverged:
        raise InputError(
            f"which trainings failed cannot be told from these accuracies of {benchmark.name} "
            f"{choice.dataset}; leave --drop-diverged out"
        )
    return None, set()


def _members(
    choice: Choice, benchmark: Benchmark, truth: Accuracies | None
) -> tuple[str, list[str]]:
    """Name and ids of the set, or of the list given instead."""
    space = benchmark.space
    if choice.archs is None and choice.set is None and truth and truth.repeats is not None:
        return OWN_SET, list(truth.values.index)
    if choice.archs is None:
        name = choice.set or space.sets[0]
        return name, list(ids_of(space, name))
    if choice.set is not None:
        raise InputError("--archs takes the place of a set; leave --set or --archs out")
    if isinstance(choice.archs, Path):
        found = read_list(choice.archs, space.parse)
        return f"list {choice.archs.name}", [each.id for each in found]
    ids = dict.fromkeys(space.parse(str(name)).id for name in choice.archs)
    if not ids:
        raise InputError("the list of architectures is empty; name at least one")
    return "a list", list(ids)


def _sampled(choice: Choice, size: int | None, total: int, candidates: int) -> str:
    """How the architectures were chosen, in words."""
    everything = size is None or size == total
    said = "all" if everything else f"a seeded random {size:,} (seed {choice.sample_seed})"
    if candidates < total:
        said += f" of the {candidates:,} with an accuracy"
        said += " and no diverged training," if choice.drop_diverged else ","
    return said


def _sample_size(
    choice: Choice, device: str, available: int, console: Console, *, listed: bool
) -> int | None:
    sample = choice.sample
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
    if not str(sample).isdigit():
        raise InputError(f"--sample takes a number or all, not {sample!r}")
    return int(sample)


def read_batch_sizes(text: str) -> tuple[int, dict[str, int]]:
    """The batch size of all proxies and those of single ones.

    Raises:
        InputError: The text is no such list, or a proxy is unknown.

    >>> read_batch_sizes("64"), read_batch_sizes("64,te_nas=32")
    ((64, {}), (64, {'te_nas': 32}))
    """
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
