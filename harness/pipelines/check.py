"""The regression check on proxies: golden scores, and their correlation with accuracy.

A fixed sample of cells is scored on noise at a small batch and set against the embedded
accuracies. A baseline holds what came out when it was last written; the check fails where a score
or a correlation has moved away from it. The baseline of the built-in proxies travels with the
package; anybody's proxies have one of their own.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from benchmarks import BENCHMARKS
from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.truth import resolve
from benchmarks.types import ids_of
from harness.evaluation import metrics
from harness.evaluation.aggregates import AGGREGATES
from harness.paths import BASELINE
from harness.pipelines.progress import Meter
from harness.proxies import PROXIES
from harness.scores.frames import scores_of
from harness.scores.store import Record, Store
from harness.scoring import sampling
from harness.scoring.engine import Request, run

#: A score is off when it differs by more than this share of the larger of its golden value
#: and the median size of its column: other kernels round otherwise, and a flipped ReLU or a
#: small eigenvalue magnifies that.
TOLERANCE = 0.02
#: Share of a column's cells that may be off: those where rounding was magnified most.
OFF_SHARE = 0.05
#: Share of the largest part of a proxy on a cell below which its other parts are rounding errors
#: of single precision: the small eigenvalues of a spectrum differ from one CPU to the next.
NOISE = 2.0**-23
#: By how much tau may fall.
TAU_MARGIN = 0.02


@dataclass(frozen=True)
class Protocol:
    """What is scored; a baseline of another protocol cannot be compared."""

    benchmark: str = "nasbench201"
    dataset: str = "cifar10"
    set_name: str = "reachable"
    truth: str = "analog"
    cells: int = 64
    batch_size: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Column:
    """One proxy or part.

    Attributes:
        version: Of the proxy.
        tau: Kendall's tau-b to accuracy on the cells with a score; NaN where it is constant.
        scores: In the order of the protocol's cells; None where there is no finite score.
    """

    version: int
    tau: float
    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class Snapshot:
    """Everything that one run of the protocol gave.

    Attributes:
        protocol: What was scored.
        torch: Version of torch.
        columns: By name of proxy or part ("vkdnw", "vkdnw.entropy").
        aggregates: Tau of each aggregate.
    """

    protocol: Protocol
    torch: str
    columns: Mapping[str, Column]
    aggregates: Mapping[str, float]


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        path: The baseline's file.
        before: What it held; None: it was not there.
        measured: What this run gave.
        differences: What has moved, one line each.
    """

    path: Path
    before: Snapshot | None
    measured: Snapshot
    differences: Sequence[str]


def check(
    proxies: Sequence[str],
    baseline: Path | None,
    *,
    update: bool,
    workers: int | None,
    console: Console,
    on_difference: Callable[[str], None] = lambda line: None,
) -> Checked:
    """Measure, compare, and with `update` write the baseline; see `harness.api.check`."""
    if proxies and baseline is None:
        raise InputError(
            "the package's own baseline is of the built-in proxies; name a file for those of "
            f"{', '.join(proxies)} with --baseline"
        )
    path = baseline or BASELINE
    before = read(path) if path.is_file() or not update else None
    with Meter(console, "checking", "scores") as meter:
        measured = measure(
            Protocol(),
            list(proxies) or None,
            workers=workers,
            on_start=lambda total, stored: meter.start(total),
            on_plan=meter.plan,
            on_record=lambda record: meter.took(record.key.proxy, record.seconds),
        )
    moved = [] if before is None else differences(before, measured)
    for line in moved:
        on_difference(line)
    if update:
        write(measured, path)
    return Checked(path, before, measured, moved)


def measure(
    protocol: Protocol,
    proxies: Sequence[str] | None = None,
    *,
    workers: int | None = None,
    on_start: Callable[[int, int], None] = lambda total, stored: None,
    on_plan: Callable[[Mapping[str, int]], None] = lambda left: None,
    on_record: Callable[[Record], None] = lambda record: None,
) -> Snapshot:
    """Score the protocol's cells anew, in a store of its own.

    Args:
        protocol: What to score.
        proxies: Names; default: every one of `harness.proxies`, and all aggregates.
        workers: As for `harness.scoring.engine.run`, like the callbacks.
        on_start: Called once with the number of scores to make.
        on_plan: Called once with that number by proxy.
        on_record: Called after every score.

    Raises:
        InputError: A proxy raised an error; the message is the first one's.
    """
    benchmark = BENCHMARKS[protocol.benchmark]
    truth = resolve(benchmark, protocol.truth, protocol.dataset).values
    known = set(truth.index)
    members = [arch for arch in ids_of(benchmark.space, protocol.set_name) if arch in known]
    archs = sampling.sample_ids(members, protocol.cells, protocol.seed)
    # Other people's proxies, found by entry point, have no place in our baseline.
    ours = [n for n in PROXIES if PROXIES[n].function.__module__.startswith("harness.proxies.")]
    names = ours if proxies is None else list(proxies)
    request = Request(
        benchmark=protocol.benchmark,
        dataset=protocol.dataset,
        archs=archs,
        proxies=names,
        seeds=(protocol.seed,),
        batch_size=protocol.batch_size,
        input="gaussian",
    )
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "scores.sqlite") as store:
        run(
            request, store, workers=workers, on_start=on_start, on_plan=on_plan, on_record=on_record
        )
        records = list(store.records())
        broken = next((record for record in records if record.status == "error"), None)
        if broken is not None:
            key = broken.key
            raise InputError(f"{key.proxy} failed on {key.arch}: {broken.message}")
        whole = scores_of(store, request, list(AGGREGATES)) if proxies is None else {}
    accuracies = np.asarray(truth.loc[archs], dtype=float)
    given: dict[str, dict[str, float]] = {}
    for record in records:
        parts = {f"{record.key.proxy}.{part}": v for part, v in record.components.items()}
        if record.value is not None:
            parts[record.key.proxy] = record.value
        for name, value in parts.items():
            given.setdefault(name, {})[record.key.arch] = value
    columns = {}
    for name in sorted(given):
        scores = tuple(given[name].get(arch) for arch in archs)
        version = PROXIES[name.partition(".")[0]].version
        columns[name] = Column(version, _tau(scores, accuracies), scores)
    aggregates = {
        name: _tau([float(v) for v in scored.values.iloc[:, 0]], accuracies)
        for name, scored in whole.items()
    }
    return Snapshot(protocol, torch.__version__, columns, aggregates)


def _tau(scores: Sequence[float | None], accuracies: metrics.Array) -> float:
    column = np.array([math.nan if score is None else score for score in scores])
    usable = np.isfinite(column)
    return metrics.kendall_tau(column[usable], accuracies[usable])


def differences(baseline: Snapshot, measured: Snapshot) -> list[str]:
    """What has moved, one line each; none where all is as it was.

    Raises:
        InputError: The two were made under different protocols.
    """
    if baseline.protocol != measured.protocol:
        raise InputError(
            f"the baseline's protocol is {baseline.protocol}, this run's {measured.protocol}; "
            "rewrite it with harness check --update"
        )
    found = []
    for name in sorted(baseline.columns.keys() | measured.columns.keys()):
        old, new = baseline.columns.get(name), measured.columns.get(name)
        if old is None:
            found.append(f"{name}: not in the baseline")
        elif new is None:
            found.append(f"{name}: in the baseline, but gives nothing now")
        elif old.version != new.version:
            found.append(f"{name}: version {old.version} in the baseline, {new.version} now")
        else:
            found += [f"{name}: {line}" for line in _moved(old, new, _floor(baseline, name))]
    for name in sorted(baseline.aggregates.keys() | measured.aggregates.keys()):
        before = baseline.aggregates.get(name, math.nan)
        found += [f"{name}: {line}" for line in _fell(before, measured.aggregates.get(name))]
    return found


def _floor(baseline: Snapshot, name: str) -> list[float]:
    """What is noise in a column, cell by cell: `NOISE` of the largest part of its proxy."""
    proxy = name.partition(".")[0]
    parts = [c.scores for n, c in baseline.columns.items() if n.partition(".")[0] == proxy]
    return [
        NOISE * max((abs(v) for v in cell if v is not None), default=0.0)
        for cell in zip(*parts, strict=True)
    ]


def _moved(old: Column, new: Column, floor: Sequence[float]) -> list[str]:
    lines = []
    golden = [score for score in old.scores if score is not None]
    scale = float(np.median(np.abs(golden))) if golden else 0.0
    off = [
        (a, b)
        for a, b, noise in zip(old.scores, new.scores, floor, strict=True)
        if (a is None) != (b is None)
        or (
            a is not None
            and b is not None
            and abs(a - b) > max(TOLERANCE * max(abs(a), scale), noise)
        )
    ]
    if len(off) > OFF_SHARE * len(old.scores):
        a, b = off[0]
        lines.append(
            f"{len(off)} of {len(old.scores)} scores are off by more than {TOLERANCE:.0%}, "
            f"for example {_text(a)} is now {_text(b)}"
        )
    # Noise has no order that could be kept.
    return lines if 0 < scale < float(np.median(floor)) else lines + _fell(old.tau, new.tau)


def _fell(before: float, now: float | None) -> list[str]:
    if now is None or (math.isnan(now) and not math.isnan(before)):
        return [f"tau was {before:.3f}, there is none now"]
    if now < before - TAU_MARGIN:
        return [f"tau fell from {before:.3f} to {now:.3f}, by more than {TAU_MARGIN}"]
    return []


def _text(score: float | None) -> str:
    return "no score" if score is None else f"{score:.6g}"


# ------------------------------------------------------------------ the file


def write(snapshot: Snapshot, path: Path) -> None:
    """Write a baseline: eight digits a score, one line a column."""

    def rounded(value: float | None) -> float | None:
        return None if value is None or math.isnan(value) else float(f"{value:.8g}")

    columns = {
        name: {
            "version": column.version,
            "tau": rounded(column.tau),
            "scores": [rounded(score) for score in column.scores],
        }
        for name, column in snapshot.columns.items()
    }
    lines = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in columns.items())
    aggregates = json.dumps({k: rounded(v) for k, v in snapshot.aggregates.items()})
    text = (
        f'{{\n  "protocol": {json.dumps(asdict(snapshot.protocol))},\n'
        f'  "torch": {json.dumps(snapshot.torch)},\n'
        f'  "aggregates": {aggregates},\n  "columns": {{\n{lines}\n  }}\n}}\n'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read(path: Path) -> Snapshot:
    """The baseline in a file.

    Raises:
        InputError: There is none, or it is damaged.
    """
    if not path.is_file():
        raise InputError(f"there is no baseline {path}; write one with harness check --update")

    def number(value: float | None) -> float:
        return math.nan if value is None else float(value)

    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        columns = {
            str(name): Column(
                int(column["version"]),
                number(column["tau"]),
                tuple(None if s is None else float(s) for s in column["scores"]),
            )
            for name, column in held["columns"].items()
        }
        protocol = Protocol(**held["protocol"])
        aggregates = {str(name): number(tau) for name, tau in held["aggregates"].items()}
        return Snapshot(protocol, str(held["torch"]), columns, aggregates)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no baseline: {type(error).__name__}: {error}; "
            "restore it, or write it anew with harness check --update"
        ) from error
