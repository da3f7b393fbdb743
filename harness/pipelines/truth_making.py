"""Ground truth of a user's own: a sample of architectures, trained on the user's images."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console

from benchmarks import BENCHMARKS, own
from benchmarks.errors import InputError
from benchmarks.types import Benchmark, Dataset, HasSizedDataset, derive_seed, ids_of
from harness.evaluation import power
from harness.evaluation.evaluate import Agreement
from harness.evaluation.retraining import between_seeds
from harness.pipelines.progress import Meter, duration
from harness.pipelines.training import check_packages
from harness.scoring.sampling import read_list, sample_ids
from harness.training.recipe.protocol import Protocol, protocol

if TYPE_CHECKING:
    from harness.training.truth.journal import Journal, Outcome, Setting

#: The split that counts as final, where a trainer gives several.
_SPLIT = "val"
#: Draws from a space without end for each architecture that is wanted.
_TRIES = 100
#: Tau of two trainings that a plan reckons with, and the difference that it is to decide.
_AGREEMENTS, _WANTED = (0.8, 0.6), 0.05
#: Fewer cannot be ranked.
_FEWEST = 3


@dataclass(frozen=True)
class TruthChoice:
    """What a user asks for; see `harness.api.make_truth`."""

    space: str
    data: str
    cells: int | None = 50
    set: str | None = None
    archs: Path | Sequence[str] | None = None
    protocol: str | None = None
    epochs: int | None = None
    resolution: int | None = None
    batch_size: int | None = None
    seed: int = 0
    seeds: int = 3
    workers: int | None = None
    device: str = "auto"
    retry_failed: bool = False


@dataclass(frozen=True, repr=False)
class TruthMade:
    """A truth table of the user's own, or what one would need.

    Attributes:
        path: The file; None: only the plan was asked for.
        table: Its content; None as `path`.
        agreement: Of two trainings of the same architectures; None: there is one of each.
        lines: What was planned and what came out, in words.
    """

    path: Path | None
    table: own.OwnTable | None
    agreement: Agreement | None
    lines: Sequence[str]

    def __repr__(self) -> str:
        """The file, and how many architectures it has."""
        if self.table is None:
            return f"<TruthMade: a plan of {len(self.lines)} lines; see .lines>"
        return f"<TruthMade: {self.path}, {self.table.frame['arch'].nunique():,} architectures>"


@dataclass(frozen=True)
class _Plan:
    """A choice, resolved."""

    benchmark: Benchmark
    setting: Setting
    archs: Sequence[str]
    seeds: Sequence[int]
    how: str
    images: Mapping[str, Any]
    counts: str

    @property
    def identity(self) -> dict[str, Any]:
        """What identifies the trainings, apart from architectures and seeds."""
        setting = self.setting
        return {
            "benchmark": setting.benchmark,
            "dataset": setting.dataset,
            "protocol": setting.protocol.plain(),
            "data": dict(self.images),
        }

    @property
    def digest(self) -> str:
        """A short name of the identity."""
        text = json.dumps(self.identity, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def trainings(self) -> list[tuple[str, int]]:
        """All, the first seed of every architecture first: a run that is stopped has these."""
        return [(arch, seed) for seed in self.seeds for arch in self.archs]

    @property
    def words(self) -> str:
        """The protocol in a line."""
        found = self.setting.protocol
        return (
            f"{found.title}, {found.epochs} epochs, {found.batch_per_gpu} images a step, "
            f"{found.resolution[1]} px"
        )

    def lines(self) -> list[str]:
        """What is going to be trained."""
        trainings = len(self.archs) * len(self.seeds)
        return [
            f"{trainings:,} trainings: {self.how}, {len(self.seeds)} seed(s) from {self.seeds[0]}, "
            f"on {self.setting.dataset}",
            f"images: {self.setting.data}, {self.counts}",
            *self.setting.protocol.lines(),
            *power.lines(len(self.archs), power.Assumed()),
            f"that is of trainings that agree entirely; {_noisy(len(self.seeds))}",
        ]


def make(
    choice: TruthChoice,
    out: Path,
    *,
    plan_only: bool,
    console: Console,
    work: Callable[..., Outcome] | None = None,
) -> TruthMade:
    """See `harness.api.make_truth`; `work` does one training instead of the trainer."""
    if work is None and not plan_only:
        check_packages()
    from harness.training.truth.journal import Journal  # noqa: PLC0415 - torch takes seconds

    plan = _planned(choice)
    lines = plan.lines()
    for line in lines:
        _say(console, line)
    _check_out(out, plan)
    if plan_only:
        return TruthMade(None, None, None, lines)
    journal = Journal(out.with_name(f"{out.name}.trainings"), plan.identity)
    try:
        outcomes = _train(plan, choice, journal, console, work)
    finally:
        journal.close()
    table, agreed = _table(plan, outcomes, out.name)
    own.write(table, out)
    ended = _ending(plan, table, agreed, out, journal.count)
    for line in ended:
        _say(console, line)
    return TruthMade(out, table, agreed, [*lines, *ended])


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _noisy(seeds: int) -> str:
    """How many architectures are needed where trainings are draws."""
    said = []
    for agreement in _AGREEMENTS:
        assumed = power.Assumed(retraining=agreement, seeds=seeds)
        needed = power.needed_for_difference(_WANTED, assumed)
        said.append(f"{needed:,} where two agree at tau {agreement:g}")
    return f"to decide a difference of {_WANTED:g} it takes {' and '.join(said)}"


# ------------------------------------------------------------------ before training


def _planned(choice: TruthChoice) -> _Plan:
    """Resolve and check what can be wrong before any training."""
    from harness.training.folders import images  # noqa: PLC0415
    from harness.training.truth.journal import Setting  # noqa: PLC0415

    for name in ("seeds", "epochs", "resolution", "batch_size", "workers"):
        value = getattr(choice, name)
        if value is not None and value < 1:
            raise InputError(f"{name.replace('_', ' ')} {value}: ask for 1 or more")
    benchmark = BENCHMARKS[choice.space]
    how = _protocol(choice, benchmark)
    side = how.resolution[0]
    found = images.read(choice.data, side)
    if len(found.train) < how.batch_per_gpu:
        raise InputError(
            f"{choice.data}: {len(found.train):,} training images do not fill a step of "
            f"{how.batch_per_gpu}; use a smaller --batch-size"
        )
    dataset = _dataset(benchmark, choice.data, side, len(found.classes))
    archs, words = _architectures(choice, benchmark, dataset.name)
    counts = (
        f"{len(found.train):,} to train on, {len(found.validation):,} to validate on, "
        f"{len(found.classes):,} classes"
    )
    setting = Setting(benchmark.name, dataset.name, how, str(choice.data))
    seeds = range(choice.seed, choice.seed + choice.seeds)
    return _Plan(benchmark, setting, archs, seeds, words, found.fingerprint, counts)


def _protocol(choice: TruthChoice, benchmark: Benchmark) -> Protocol:
    named = choice.protocol or benchmark.training
    if not named:
        raise InputError(f"{benchmark.name} has no recipe of its own; name one with --protocol")
    found = protocol(named)
    if found.task != "classification":
        raise InputError(
            f"protocol {named} is of {found.task}; ground truth is of classification, name another"
        )
    side = choice.resolution
    if side is None and found.resolution[0] != found.resolution[1]:
        raise InputError(f"protocol {named} has no square images; give --resolution")
    return found.changed(
        epochs=choice.epochs,
        resolution=None if side is None else (side, side),
        batch_per_gpu=choice.batch_size,
    )


def _dataset(benchmark: Benchmark, data: str, resolution: int, classes: int) -> Dataset:
    """The dataset of the images: the benchmark's own where they are its images, by name."""
    space = benchmark.space
    named = space.datasets.get(data)
    if named is not None and (named.resolution, named.classes) == (resolution, classes):
        return named
    if not isinstance(space, HasSizedDataset):
        raise InputError(f"networks of {benchmark.name} cannot be built for other images")
    return space.dataset(space.sized_dataset(resolution, classes))


def _architectures(
    choice: TruthChoice, benchmark: Benchmark, dataset: str
) -> tuple[list[str], str]:
    """Ids of what is trained, and how they were chosen."""
    space = benchmark.space
    if choice.archs is not None:
        if choice.set is not None:
            raise InputError("--archs takes the place of a set; leave --set or --archs out")
        if isinstance(choice.archs, Path):
            chosen = [each.id for each in read_list(choice.archs, space.parse)]
        else:
            chosen = list(dict.fromkeys(space.parse(str(name)).id for name in choice.archs))
        words = f"the {len(chosen):,} architectures of a list"
    elif choice.set is None and "all" not in space.sets:
        if choice.cells is None:
            raise InputError(f"{benchmark.name} has no end; say how many with --cells")
        chosen = _drawn(benchmark, dataset, choice.cells, choice.seed)
        words = f"{len(chosen):,} architectures drawn from {benchmark.name} (seed {choice.seed})"
    else:
        name = choice.set or space.sets[0]
        members = ids_of(space, name)
        chosen = sample_ids(members, choice.cells, choice.seed)
        words = (
            f"a seeded random {len(chosen):,} of the {len(members):,} of {name} "
            f"(seed {choice.seed})"
        )
    if len(chosen) < _FEWEST:
        raise InputError(f"{len(chosen)} architectures cannot be ranked; take {_FEWEST} or more")
    for arch in chosen:
        space.costs(space.parse(arch), dataset)  # refuses what does not fit the images
    return chosen, words


def _drawn(benchmark: Benchmark, dataset: str, count: int, seed: int) -> list[str]:
    """Different architectures that fit the images, from a space that is not enumerated; nested."""
    space = benchmark.space
    rng = random.Random(derive_seed("truth", benchmark.name, seed))
    found: dict[str, None] = {}
    for _ in range(_TRIES * count):
        drawn = space.sample(rng)
        try:
            space.costs(drawn, dataset)
        except InputError:  # one that does not fit the resolution is passed over
            continue
        found[drawn.id] = None
        if len(found) == count:
            return list(found)
    raise InputError(
        f"only {len(found)} different draws from {benchmark.name} fit {dataset}, of "
        f"{_TRIES * count:,}; ask for fewer --cells or another --resolution"
    )


def _check_out(out: Path, plan: _Plan) -> None:
    """See that the file may be written: it is not there, or of the same trainings."""
    if out.suffix != ".csv":
        raise InputError(f"--out {out} must end in .csv")
    if not out.exists():
        return
    if not own.is_own(str(out)):
        raise InputError(f"{out} is no truth table, and is not overwritten; choose another --out")
    held = own.read(out)
    if held.identity != plan.digest:
        raise InputError(
            f"{out} is a truth table of {held.benchmark} {held.dataset}, trained by "
            f"{held.protocol}, on other images or by another protocol than {plan.words}; choose "
            "another --out"
        )


# ------------------------------------------------------------------ training, and after it


def _train(
    plan: _Plan,
    choice: TruthChoice,
    journal: Journal,
    console: Console,
    work: Callable[..., Outcome] | None,
) -> list[Outcome]:
    """All outcomes, in the order of the plan; those of earlier runs are not trained again."""
    from harness.scoring.devices import devices_of, resolve_device  # noqa: PLC0415
    from harness.scoring.workers import available_cores  # noqa: PLC0415
    from harness.training.truth import journal as truth  # noqa: PLC0415

    devices = devices_of(resolve_device(choice.device))
    on_cpu = devices[0] == "cpu"
    workers = choice.workers or (available_cores() if on_cpu else len(devices))
    held = {key: journal.outcome(*key) for key in plan.trainings}
    if choice.retry_failed:
        held = {k: None if found and found.failure else found for k, found in held.items()}
    left = [key for key, found in held.items() if found is None]
    if len(left) < len(held):
        _say(console, f"{len(held) - len(left):,} trainings are in {journal.folder}")
    with Meter(console, "training", "trainings") as meter:
        meter.start(len(held), len(held) - len(left))
        meter.plan({"training": len(left)})

        def on_outcome(outcome: Outcome) -> None:
            first = all(held[key] is None for key in left)
            held[outcome.arch, outcome.seed] = outcome
            meter.took("training", outcome.seconds)
            if outcome.failure:
                _say(console, f"{outcome.arch}, seed {outcome.seed}: {outcome.failure}")
            if first:
                _say(console, f"a training takes {duration(outcome.seconds)}; {meter.left} left")

        try:
            truth.train_all(
                plan.setting, left, journal, workers=workers, devices=devices,
                on_outcome=on_outcome, work=work or truth.train,
            )  # fmt: skip
        except KeyboardInterrupt:
            _say(console, f"Stopped. What was trained is in {journal.folder}; run it again.")
            raise
    return [found for found in held.values() if found is not None]


def _table(
    plan: _Plan, outcomes: Sequence[Outcome], name: str
) -> tuple[own.OwnTable, Agreement | None]:
    """What came out as a table, and how far its trainings agree."""
    splits = list(dict.fromkeys(split for each in outcomes for split in each.accuracies))
    split = _SPLIT if _SPLIT in splits else next(iter(splits), _SPLIT)
    setting = plan.setting
    rows: list[tuple[object, ...]] = []
    for each in outcomes:
        told = each.accuracies or {split: float("nan")}
        for of, accuracy in told.items():
            rows.append(
                (
                    each.arch, setting.dataset, setting.protocol.epochs, of, str(each.seed),
                    accuracy, round(each.seconds, 3), each.failure,
                )
            )  # fmt: skip
    position = {arch: number for number, arch in enumerate(plan.archs)}
    rows.sort(key=lambda row: position[str(row[0])])
    table = own.OwnTable(
        benchmark=setting.benchmark,
        dataset=setting.dataset,
        split=split,
        epochs=setting.protocol.epochs,
        protocol=plan.words,
        data=f"{Path(setting.data).name}, {plan.counts}",
        identity=plan.digest,
        frame=pd.DataFrame(rows, columns=list(own.FILE_COLUMNS)),
    )
    agreed = between_seeds(table.repeats(), name)
    if agreed is None or math.isnan(agreed.tau[0]):
        return table, agreed
    said = "tau {:.3f} [{:.3f}, {:.3f}]".format(*agreed.tau)
    said += f" on {agreed.n:,} architectures, {agreed.sources[1]}"
    return replace(table, agreement=said), agreed


def _ending(
    plan: _Plan, table: own.OwnTable, agreed: Agreement | None, out: Path, kept: int
) -> list[str]:
    """What came out, what it can decide, and what to do with it."""
    lines = [f"Written to {out}: {table.frame['arch'].nunique():,} architectures"]
    if kept > len(plan.trainings):
        more = kept - len(plan.trainings)
        lines.append(f"{more:,} more trainings are kept, of cells or seeds not asked for")
    if table.failed:
        lines.append(
            f"{len(table.failed):,} architectures have a failed training and are left out of what "
            "is ranked"
        )
    if agreed is not None and agreed.tau[0] > 0:
        lines.append(f"two trainings of the same architectures agree: {table.agreement}")
        seen = power.Assumed(retraining=agreed.tau[0], seeds=len(plan.seeds))
        lines += power.lines(agreed.n, seen)
    elif agreed is not None and math.isnan(agreed.tau[0]):
        lines.append("all accuracies are equal: nothing can be ranked by them; look at the images")
    elif agreed is not None:
        lines.append(
            f"two trainings of the same architectures do not agree ({table.agreement}): nothing "
            "can be ranked by them; train for more --epochs"
        )
    of = table.benchmark
    which = "" if of == "nasbench201" else f" --benchmark {of}"
    return [*lines, f"next: harness eval params flops nwot --truth {out}{which}"]
