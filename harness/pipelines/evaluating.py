"""Score what is missing, and evaluate it against trained accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks import BENCHMARKS
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies, default_dataset, resolve
from harness.evaluation.aggregates import AGGREGATES
from harness.evaluation.ground import FEWEST, Scores
from harness.evaluation.judge import evaluate_all
from harness.evaluation.predict import MODELS, model_line
from harness.evaluation.result import Evaluation
from harness.pipelines.plan import Choice, Plan, make_plan
from harness.pipelines.protocol import (
    batch_line,
    ceiling_line,
    ceiling_of,
    imported_lines,
    inputs_line,
    ndcg_line,
)
from harness.pipelines.scoring import open_store, score_missing
from harness.proxies import PROXIES
from harness.report import folders
from harness.report.environment import environment
from harness.scores.coverage import complete
from harness.scores.frames import check_imported, rankings_of, sizes_of
from harness.scores.names import check_ranks, proxies_of
from harness.scores.store import Store
from harness.scoring.engine import Tally

#: An interval of fewer resamples says nothing.
FEWEST_RESAMPLES = 10
#: Closed-form sizes that every evaluation shows: what the others have to beat.
BASELINES = ("params", "flops", "layers")


def dataset_of(benchmark: str, truth: str, dataset: str | None) -> str:
    """The dataset that is asked for, or that of the ground truth; see `harness.api.dataset_of`."""
    return dataset or default_dataset(BENCHMARKS[benchmark], truth)


def evaluate(
    choice: Choice,
    proxies: Sequence[str],
    *,
    truth: str,
    split: str | None,
    epochs: int | None,
    ndcg_p: int | None,
    resamples: int,
    held: bool,
    store: Path,
    out: Path | None,
    force: bool,
    console: Console,
) -> Evaluation:
    """See `harness.api.evaluate`; the caller writes the result into `out`, which is claimed."""
    benchmark = BENCHMARKS[choice.benchmark]
    if resamples < FEWEST_RESAMPLES:
        raise InputError(f"{resamples} resamples are too few; take {FEWEST_RESAMPLES} or more")
    accuracies = resolve(benchmark, truth, choice.dataset, split, epochs)
    console.print(f"Ground truth: {accuracies.protocol}", soft_wrap=True)
    final = epochs in (None, benchmark.space.dataset(choice.dataset).epochs)
    final = final and accuracies.repeats is None
    plan = make_plan(choice, [*proxies, *BASELINES], accuracies, final=final, console=console)
    check_ranks(plan.names)
    identity = plan.facts | {"truth": accuracies.protocol, "ndcg_p": ndcg_p}
    if out is not None:
        folders.claim(out, "evaluation", identity, force=force)
    with open_store(store, console) as opened:
        check_imported(opened, plan.request, plan.names)
        tally = score_missing(plan, opened, console)
        return _judge(
            plan, opened, accuracies, identity, tally,
            ndcg_p=ndcg_p, resamples=resamples, held=held, console=console,
        )  # fmt: skip


def _judge(
    plan: Plan,
    store: Store,
    truth: Accuracies,
    identity: Mapping[str, Any],
    tally: Tally,
    *,
    ndcg_p: int | None,
    resamples: int,
    held: bool,
    console: Console,
) -> Evaluation:
    """Evaluate what the store holds of a plan."""
    names = [*plan.names, *(_further(plan, store) if held else ())]
    request = replace(plan.request, proxies=proxies_of(names))
    sizes = sizes_of(request)
    with console.status(f"evaluating {len(names)} rankings, {resamples} bootstrap resamples"):
        scores, features = rankings_of(store, request, names)
        usable = {name: s for name, s in scores.items() if s.usable(truth).sum() >= FEWEST}
        table = evaluate_all(
            usable, features, truth, sizes,
            ndcg_p=lambda n: ndcg_p or plan.benchmark.ndcg_p(n), resamples=resamples,
        )  # fmt: skip
        broken = [name for name in scores if name not in usable]
        table = _with_failed(table, {name: scores[name] for name in broken}, truth)
        ceiling = ceiling_of(plan.benchmark, request.dataset, truth, request.archs)
    protocol = [
        f"accuracies: {truth.protocol}",
        *truth.notes,
        f"architectures: {plan.sampled} of the {plan.set_size:,} of {plan.set_name}",
        *plan.diverged,
        f"scores: {len(request.seeds)} seed(s) from {request.seeds[0]}, "
        f"batch {batch_line(request)}; {inputs_line(request)}",
        *imported_lines(plan.names),
        ndcg_line(table),
        f"{resamples:,} bootstrap resamples over architectures",
    ]
    if "trained_on" in table:
        protocol.append(model_line(table))
    if ceiling is not None:
        protocol.append(ceiling_line(ceiling))
    protocol += [_failure_line(name, store, plan) for name in broken]
    facts = {
        "identity": dict(identity),
        "environment": environment(),
        "benchmark": plan.benchmark.name,
        "dataset": request.dataset,
        "set": plan.set_name,
        "sample": plan.sampled,
        "sample_seed": plan.choice.sample_seed,
        "n": int(table["n"].max()),
        "seeds": list(request.seeds),
        "batch": batch_line(request),
        "input": request.input,
        "truth": truth.source,
        "protocol": truth.protocol,
        "resamples": resamples,
        "ndcg_p": ndcg_p if ndcg_p is not None else list(plan.benchmark.ndcg_top),
        "title": f"{plan.benchmark.name} {request.dataset}, n = {int(table['n'].max()):,}",
        "ceiling": None if ceiling is None else list(ceiling.tau),
        "baselines": list(BASELINES),
    }
    return Evaluation.of(table, usable, truth, sizes, protocol, facts)


def _further(plan: Plan, store: Store) -> list[str]:
    """What else the store holds of the same request."""
    others = [name for name in PROXIES if name not in plan.request.proxies]
    others += [name for name in AGGREGATES if name not in [*plan.names, *others]]
    return [name for name in complete(store, plan.request, others) if name not in MODELS]


def _with_failed(
    table: pd.DataFrame, broken: Mapping[str, Scores], truth: Accuracies
) -> pd.DataFrame:
    """With a row for each name that has too few scores to be judged: one fault stops no other."""
    rows = []
    for name, scored in broken.items():
        n = int(scored.usable(truth).sum())
        counts = {"n": n, "failed": len(scored.values) - n, "seeds": scored.values.shape[1]}
        rows.append({"proxy": name, **counts, "ndcg_p": np.nan, "seconds": scored.seconds})
    if not rows:
        return table
    whole = pd.concat([table, pd.DataFrame(rows)], ignore_index=True)
    return whole.assign(truth=whole["truth"].fillna(truth.source))


def _failure_line(name: str, store: Store, plan: Plan) -> str:
    """Why a name has no figures: the first message of a proxy that it needs."""
    wanted = set(plan.request.archs)
    for proxy in proxies_of([name]):
        column = plan.request.column(PROXIES[proxy], plan.request.seeds[0])
        failed = [r for r in store.records(**column) if r.key.arch in wanted and not r.ok]
        if failed:
            messages = (r.message for r in failed if r.message)
            said = next(messages, f"its scores are {failed[0].status}")
            return f"no ranking by {name}: {said} (on {len(failed):,} of {len(wanted):,})"
    return f"no ranking by {name}: fewer than {FEWEST} architectures with a score"
