"""`make bench`: speed as ratios against literal versions, measured in one run on one thread.

Prints a table. Timings are of this machine; the ratios are what is compared.
"""

from __future__ import annotations

import argparse
import copy
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn

from benchmarks import BENCHMARKS, inputs
from benchmarks.mobilenetv2.space import MobileNetV2Space
from benchmarks.nasbench101.architecture import module_hash
from benchmarks.nasbench101.enumeration import Enumeration, enumerate_cells
from benchmarks.nasbench201.table import read_compact
from benchmarks.truth import Accuracies
from benchmarks.types import Batch
from harness.evaluation import metrics
from harness.evaluation.evaluate import SIZES, Scores, evaluate
from harness.proxies import PROXIES
from harness.proxies.vkdnw import fisher_matrix, spectrum_deciles
from harness.scores.names import proxies_of
from harness.scores.store import Store
from harness.scoring.engine import Request, run
from harness.scoring.initialise import weight_seed
from harness.scoring.jacobian import scalar_jacobian, scalar_jacobian_reference, scalar_parameters
from harness.scoring.lending import prepare
from harness.scoring.sampling import sample
from harness.scoring.workers import keep_freed_memory
from tests.reference.literals import LITERALS


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def jacobians(dataset: str, cells: int, batch_size: int, device: str) -> None:
    """The Fisher Jacobian of `vkdnw` against vmap(jacrev), on random reachable cells."""
    space = BENCHMARKS["nasbench201"].space
    proxy = PROXIES["vkdnw"]
    task = space.dataset(dataset)
    images = inputs.batch("gaussian", task, batch_size, 0).inputs
    images = images.to(device, memory_format=torch.channels_last)
    fast, literal, single, double = [], [], [], []
    for cell in sample(space.architectures("reachable"), cells, 1):
        seed = weight_seed("nasbench201", dataset, cell.id, 0, proxy)
        network = prepare(space.network(cell, dataset), proxy, seed, device)
        # The literal version as anyone would write it: PyTorch's default memory format.
        plain = copy.deepcopy(network)
        for weight in plain.parameters():
            weight.data = weight.data.contiguous()
        pixels = images.contiguous()
        names = scalar_parameters(network)
        found: dict[str, torch.Tensor] = {}

        def run_fast() -> None:
            found["fast"] = scalar_jacobian(network, images, names)[1]  # noqa: B023

        def run_literal() -> None:
            found["literal"] = scalar_jacobian_reference(plain, pixels, names)  # noqa: B023

        run_fast()  # first use of a shape compiles its kernels
        fast.append(min(seconds(run_fast) for _ in range(2)))
        literal.append(seconds(run_literal))
        single.append(_difference(found["fast"], found["literal"]))
        few = pixels[:4].double()
        exact = scalar_jacobian_reference(plain.double(), few, names)
        double.append(_difference(scalar_jacobian(plain, few, names)[1], exact))
    print(
        f"vkdnw Jacobian, {dataset} ({task.classes} classes), batch {batch_size}, {cells} cells: "
        f"{1000 * statistics.mean(fast):,.0f} ms a cell, "
        f"literal {1000 * statistics.mean(literal):,.0f} ms, "
        f"{sum(literal) / sum(fast):.1f}x; relative error {max(double):.0e} in float64, "
        f"median {statistics.median(single):.0e} in float32",
        flush=True,
    )


def _difference(x: torch.Tensor, y: torch.Tensor) -> float:
    return float((x - y).norm() / y.norm())


#: The single-network proxies of the VKDNW paper's Table 1, and AZ-NAS's parts.
TABLE1 = (
    "grad_norm", "grasp", "snip", "synflow", "jacov", "nwot", "zen", "gradsign", "zico", "vkdnw",
    "az_nas",
)  # fmt: skip


def literal(name: str, network: nn.Module, batches: Sequence[Batch]) -> object:
    """The slow version, as anyone would write it.

    Not the tests' element-by-element Jacobian of vkdnw but vmap(jacrev), as in its public code.
    """
    if name == "vkdnw":
        images = batches[0].inputs
        jacobian = scalar_jacobian_reference(network, images, scalar_parameters(network))
        with torch.no_grad():
            logits = network(images)
        return spectrum_deciles(fisher_matrix(logits, jacobian, "public"))
    return LITERALS[name](network, *batches)


def proxies(cells: int, batch_size: int, device: str) -> None:
    """Every proxy of a network on cifar10 noise: alone, all together, and literal."""
    space = BENCHMARKS["nasbench201"].space
    task = space.dataset("cifar10")
    chosen = sample(space.architectures("reachable"), cells, 1)
    plain = [inputs.batch("gaussian", task, batch_size, 0, index) for index in range(2)]
    plain = [replace(b, inputs=b.inputs.to(device), targets=b.targets.to(device)) for b in plain]
    names = [name for name in PROXIES if PROXIES[name].needs == "network"]

    def scored(wanted: Sequence[str]) -> float:
        archs = [cell.id for cell in chosen]
        request = Request(
            "nasbench201", "cifar10", archs, wanted, batch_size=batch_size, input="gaussian"
        )
        with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
            return run(request, store, workers=1, device=device).seconds / cells

    alone, slow = {}, {}
    for name in names:
        proxy = PROXIES[name]
        scored([name])  # first use of a shape compiles its kernels
        alone[name] = scored([name])
        times = []
        for cell in chosen if name != "te_nas" else ():  # its loop is the same: 64 passes
            network = prepare(space.network(cell, "cifar10"), proxy, 0, device)
            for weight in network.parameters():
                weight.data = weight.data.contiguous()
            times.append(seconds(lambda p=proxy, n=network: literal(p.name, n, plain[: p.batches])))  # type: ignore[misc]
        if times:
            slow[name] = statistics.mean(times)
            ratio = f", literal {1000 * slow[name]:,.4g} ms, {slow[name] / alone[name]:.1f}x"
        else:
            ratio = ""
        print(f"{name}: {1000 * alone[name]:,.4g} ms a cell{ratio}", flush=True)
    for label, group in (
        ("Table 1's single-network proxies", TABLE1),
        ("the same without vkdnw", [name for name in TABLE1 if name != "vkdnw"]),
        ("all but te_nas", [name for name in names if name != "te_nas"]),
    ):
        together, apart = scored(group), sum(alone[name] for name in group)
        literals = sum(slow[name] for name in group)
        print(
            f"{label}, together: {1000 * together:,.0f} ms a cell; one by one "
            f"{1000 * apart:,.0f} ms, {apart / together:.1f}x; literal {1000 * literals:,.0f} ms, "
            f"{literals / together:.1f}x",
            flush=True,
        )
    costs_time = seconds(
        lambda: [space.costs(cell, "cifar10") for cell in space.architectures("all")]
    )
    print(f"closed-form costs: {1e6 * costs_time / 15_625:.1f} us a cell")


def candidates(count: int = 20_000) -> None:
    """Mutations of MobileNetV2 structures with the check of their limits; no network is built."""
    space, rng = MobileNetV2Space(), random.Random(0)
    parents = [space.initial]
    tried = 0

    def search() -> None:
        nonlocal tried
        for _ in range(count):
            child = space.mutate(rng.choice(parents), rng)
            limits = space.limits(child, "imagenet")
            tried += 1
            if limits["flops"] <= 450e6 and limits["layers"] <= 14:
                parents.append(child)

    # CPU time: this is one thread of plain Python, and others may be busy here.
    started = time.process_time()
    search()
    searched = time.process_time()
    for parent in parents[-5:]:
        space.network(parent, "imagenet")
    built = (time.process_time() - searched) / 5
    rate = tried / (searched - started)
    print(
        "mobilenetv2 candidates, mutated and checked against 450M FLOPs and 14 layers: "
        f"{rate:,.0f} a CPU second (> 1,000), {(len(parents) - 1) / tried:.0%} kept; "
        f"building the network instead: {1 / built:,.0f} a CPU second",
        flush=True,
    )
    dataset, scored = "imagenet-64-10", [parent.id for parent in parents[-5:]]
    proxies = proxies_of(["vkdnw_agg"])
    request = Request("mobilenetv2", dataset, scored, proxies, batch_size=16)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
        started = time.process_time()
        run(request, store, workers=1)
        rate = len(scored) / (time.process_time() - started)
    print(f"the same scored with vkdnw_agg at {dataset}, batch 16: {rate:.2f} a CPU second")


def tables() -> None:
    """Loading the compact table (one of the same shape, made here), and the metrics."""
    space = BENCHMARKS["nasbench201"].space
    cells = space.architectures("all")
    rng = np.random.RandomState(0)
    accuracy = rng.uniform(10, 95, (len(cells), 3))
    columns = ("CIFAR10", "CIFAR100", "ImageNet")
    frame = pd.DataFrame(accuracy, columns=[f"{c}TestAccuracy200Epochs" for c in columns])
    frame["ArchitectureString"] = [cell.id for cell in cells]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nats_bench.csv"
        frame.to_csv(path, index=False)
        spent = seconds(lambda: read_compact(path))
        print(f"compact table, {len(cells):,} cells: {spent:.2f} s (< 0.5)")

    ids = pd.Index([cell.id for cell in cells])
    sizes = pd.DataFrame(
        [[getattr(space.costs(cell, "cifar10"), size) for size in SIZES] for cell in cells],
        index=ids,
        columns=list(SIZES),
    )
    truth = Accuracies(pd.Series(accuracy[:, 0], index=ids), "random", "random", "random")
    scores = {size: Scores(sizes[[size]].astype(float), 0.0) for size in SIZES}
    for k in range(3):
        noisy = accuracy[:, 0] + rng.normal(0, 10 * (k + 1), len(cells))
        scores[f"noisy{k}"] = Scores(pd.DataFrame({0: noisy}, index=ids), 0.0)
    spent = seconds(lambda: evaluate(scores, truth, sizes, ndcg_p=lambda n: round(1000 * n / 9445)))
    print(f"metrics with intervals, 6 proxies, {len(cells):,} rows: {spent:.1f} s (< 20)")

    x, y = accuracy[:, 0], accuracy[:, 1]
    weights = metrics.bootstrap_weights(len(x), 100, 0)
    drawn = weights.T.astype(int)
    columns_ = metrics.tau_column(x, weights), metrics.tau_column(y, weights)
    fast = seconds(lambda: metrics.bootstrap_tau(*columns_, weights))
    literal = seconds(
        lambda: [stats.kendalltau(np.repeat(x, w), np.repeat(y, w)).statistic for w in drawn]
    )
    print(
        f"bootstrap tau, {len(x):,} rows: {literal / fast:.1f}x "
        "scipy's kendalltau on the resampled arrays"
    )


def nasbench101(cells: int, batch_size: int) -> None:
    """Enumerating, hashing and building NAS-Bench-101 cells, beside a score."""
    made: list[Enumeration] = []
    spent = seconds(lambda: made.append(enumerate_cells()))
    every = made[0]
    print(f"nasbench101, all {len(every):,} cells enumerated and hashed: {spent:.0f} s (< 180)")
    drawn = [every[row] for row in np.random.RandomState(0).choice(len(every), 20_000)]
    hashed = seconds(lambda: [module_hash(cell.matrix, cell.ops) for cell in drawn])
    print(f"nasbench101, hash rate: {len(drawn) / hashed:,.0f} cells/s")
    space = BENCHMARKS["nasbench101"].space
    few = drawn[:cells]
    costs = seconds(lambda: [space.costs(cell, "cifar10") for cell in drawn])
    built = seconds(lambda: [space.network(cell, "cifar10") for cell in few])
    request = Request("nasbench101", "cifar10", [c.id for c in few], ["nwot"], (0,), batch_size)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
        scored = seconds(lambda: run(request, store, workers=1))
    print(
        f"nasbench101, {1e6 * costs / len(drawn):.0f} us a cell for closed-form costs; "
        f"{1000 * built / cells:,.0f} ms to build a network, {100 * built / scored:.1f} % of "
        f"scoring it with nwot ({1000 * scored / cells:,.0f} ms)"
    )


def main() -> None:
    """Run all benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    tasks = ["cifar10", "cifar100", "ImageNet16-120"]
    parser.add_argument("--tuned", action="store_true", help="engine's allocator setting for all")
    parser.add_argument("--datasets", nargs="*", default=tasks, choices=tasks)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {options.device}, 1 thread of {os.cpu_count()} cores")
    # Both versions in an ordinary process, or both under the engine's allocator setting. The
    # setting helps the literal version more, so the ratio depends on it: report both.
    if options.tuned:
        keep_freed_memory()
    for dataset in options.datasets:
        jacobians(dataset, options.cells, options.batch_size, options.device)
    keep_freed_memory()
    candidates()
    tables()
    nasbench101(options.cells, options.batch_size)
    proxies(options.cells, options.batch_size, options.device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of all of this, literal versions included: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
