"""`make bench`: speeds, as ratios against literal versions and in forward passes, on one thread.

Timings are of this machine; the ratios are what is compared. Without --space, --proxies, --against
all subjects are measured: Jacobian, candidates, tables, NAS-Bench-101, then the proxies on every
space.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from harness.scoring.workers import keep_freed_memory
from tests.bench import page, tables
from tests.bench.candidates import candidates
from tests.bench.checkouts import Setting
from tests.bench.jacobian import jacobians
from tests.bench.nasbench101 import nasbench101
from tests.bench.proxies import Plan, measure

TASKS = ("cifar10", "cifar100", "ImageNet16-120")

#: Space -> dataset and batch size, of a size that a CPU core scores in minutes, and how many
#: architectures; on NAS-Bench-201 beside the literal versions.
SPACES = {
    "nasbench201": ("cifar10", 64, 3),
    "nasbench101": ("cifar10", 16, 2),
    "mobilenetv2": ("imagenet-64-10", 16, 2),
    "uninas": ("imagenet-32", 8, 2),
}


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--cells", type=int, help="architectures (8; of the proxies 3 or 2)")
    add("--batch-size", type=int, help="images (64; on other spaces than nasbench201 fewer)")
    add("--device", default="cpu")
    add("--tuned", action="store_true", help="the Jacobians under the engine's allocator setting")
    add("--datasets", nargs="*", default=TASKS, choices=TASKS, help="of the Jacobians")
    add("--space", nargs="+", choices=list(SPACES), help="the proxies alone, on these spaces")
    add("--dataset", help="of the space; needs one --space")
    add("--proxies", nargs="+", default=(), help="these proxies alone")
    add("--against", type=Path, help="another checkout, measured in turn within the same run")
    add("--repeats", type=int, default=5, help="runs of a proxy and cell; their median counts")
    add("--budget", type=float, default=30, help="seconds for them, two runs at least")
    add("--literal", action=argparse.BooleanOptionalAction, help="literal versions of the proxies")
    add("--page", type=Path, help="a Markdown page to put the tables into, as docs/speed.md")
    chosen = parser.parse_args(arguments)
    if chosen.dataset and len(chosen.space or ()) != 1:
        parser.error("--dataset needs one --space")
    return chosen


def plan_of(space: str, chosen: argparse.Namespace) -> Plan:
    """What is measured on a space."""
    dataset, batch_size, cells = SPACES[space]
    setting = Setting(
        space, chosen.dataset or dataset, chosen.batch_size or batch_size, chosen.device
    )
    return Plan(
        setting,
        chosen.cells or cells,
        chosen.repeats,
        chosen.budget,
        chosen.proxies,
        space == "nasbench201" if chosen.literal is None else chosen.literal,
        chosen.against,
    )


def proxies(spaces: Sequence[str], chosen: argparse.Namespace) -> None:
    """Print the proxies' rows as they come; put the tables into the page."""
    command = f"python -m tests.bench {shlex.join(sys.argv[1:])}".strip()
    for space in spaces:
        plan = plan_of(space, chosen)
        compared = plan.against is not None
        print(f"\n{space}, {plan.setting.dataset}, batch {plan.setting.batch_size}", flush=True)
        print(page.heading(compared))
        for found in measure(plan):
            row = found.rows[-1]
            print(page.line(page.cells(row, compared=compared), page.explained(row)), flush=True)
        if chosen.page is not None:
            page.put(chosen.page, space, page.markdown(found, command))


def subjects(chosen: argparse.Namespace) -> None:
    """All that is not a proxy by itself."""
    cells, batch_size = chosen.cells or 8, chosen.batch_size or 64
    # Both versions in an ordinary process, or both under the engine's allocator setting. The
    # setting helps the literal version more, so the ratio depends on it: report both.
    if chosen.tuned:
        keep_freed_memory()
    for dataset in chosen.datasets:
        jacobians(dataset, cells, batch_size, chosen.device)
    keep_freed_memory()
    candidates()
    tables.costs()
    tables.tables()
    nasbench101(cells, batch_size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of all of this, literal versions included: {peak:,.0f} MB", flush=True)


def main() -> None:
    """Run what was asked for."""
    chosen = options()
    torch.set_num_threads(1)
    print(f"{page.machine()}, {chosen.device}, 1 thread, load {os.getloadavg()[0]:.1f}")
    if not (chosen.space or chosen.proxies or chosen.against):
        subjects(chosen)
    spaces = chosen.space or (["nasbench201"] if chosen.proxies else list(SPACES))
    proxies(spaces, chosen)


if __name__ == "__main__":
    main()
