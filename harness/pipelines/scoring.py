"""Scoring what a store does not hold yet, with progress and a line of what came out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks.errors import InputError
from harness.pipelines.plan import Choice, Plan, make_plan
from harness.pipelines.progress import Meter
from harness.proxies import PROXIES
from harness.scores.names import is_imported
from harness.scores.store import Store
from harness.scoring.engine import Tally, run


def open_store(path: Path, console: Console) -> Store:
    """Open the score store, or make it, and say where it is."""
    store = Store(path)
    console.print(f"Score store: {path}", soft_wrap=True, highlight=False)
    return store


def score(choice: Choice, proxies: Sequence[str], store: Path, console: Console) -> pd.DataFrame:
    """Score what is missing, and give all that was asked for; see `harness.api.score`."""
    imported = list(filter(is_imported, proxies))
    if imported:
        raise InputError(f"{imported[0]!r} is imported and cannot be scored; harness eval takes it")
    plan = make_plan(choice, proxies, console=console)
    with open_store(store, console) as opened:
        score_missing(plan, opened, console)
        return _frame(plan, opened)


def _frame(plan: Plan, store: Store) -> pd.DataFrame:
    """One row an architecture and seed, one column a proxy or part."""
    request = plan.request
    rows = {
        (arch, seed): {"arch": arch, "seed": seed}
        for seed in request.seeds
        for arch in request.archs
    }
    names: dict[str, None] = {}
    for proxy in request.proxies:
        for seed in request.seeds:
            for record in store.records(**request.column(PROXIES[proxy], seed)):
                row = rows.get((record.key.arch, seed))
                if row is not None:
                    columns = record.columns()
                    row |= columns
                    names |= dict.fromkeys(columns or [proxy])
    ordered = sorted(names, key=lambda name: request.proxies.index(name.partition(".")[0]))
    return pd.DataFrame(rows.values()).reindex(columns=["arch", "seed", *ordered])


def score_missing(plan: Plan, store: Store, console: Console) -> Tally:
    """Score what is missing.

    Args:
        plan: What; its choice says with how many workers, and whether failures are tried again.
        store: Read and written.
        console: Where progress shows.

    Raises:
        InputError: The request is not possible, or a worker process died.
    """
    with Meter(console, "scoring", "scores") as meter:

        def begin(total: int, stored: int) -> None:
            if stored:
                console.print(f"{stored:,} scores are in {store.path}; {total:,} to make.")
            meter.start(total)

        try:
            tally = run(
                plan.request,
                store,
                workers=plan.choice.workers,
                device=plan.device,
                retry_failed=plan.choice.retry_failed,
                on_start=begin,
                on_plan=meter.plan,
                on_record=lambda record: meter.took(record.key.proxy, record.seconds),
            )
        except KeyboardInterrupt:
            console.print(f"Stopped. What was scored is in {store.path}; run it again to go on.")
            raise
    failures = ", ".join(f"{count:,} {status}" for status, count in sorted(tally.failed.items()))
    console.print(
        f"{tally.scored:,} scored in {tally.seconds:,.1f} s on {plan.device}"
        + (f"; without a score: {failures}" if failures else "")
    )
    for name, failed in tally.failures.items():
        why = f": {failed.message}" if failed.message else ""
        console.print(
            f"{name} has no score of {failed.count:,}, the first {failed.arch}{why}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    return tally
