"""The Fisher Jacobian of `vkdnw` against PyTorch's own."""

from __future__ import annotations

import copy
import statistics

import torch

from benchmarks import BENCHMARKS, inputs
from harness.proxies import PROXIES
from harness.scoring.initialise import weight_seed
from harness.scoring.jacobian import scalar_jacobian, scalar_jacobian_reference, scalar_parameters
from harness.scoring.lending import prepare
from harness.scoring.sampling import sample
from tests.bench.clock import seconds


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
