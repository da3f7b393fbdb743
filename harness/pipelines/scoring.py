"""Scoring what a store does not hold yet, with progress and a line of what came out."""

from __future__ import annotations

from rich.console import Console

from harness.pipelines.plan import Plan
from harness.pipelines.progress import Meter
from harness.scores.store import Store
from harness.scoring.engine import Tally, run


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
    return tally
