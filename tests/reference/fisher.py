"""Fisher pruning's saliency from the words of the specification, section 2.11; slow."""

from __future__ import annotations

import copy

from torch import Tensor, nn


def fisher(network: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum over layers of (weights a channel) sum_c mean_n (sum_hw a dL/da)^2 / 2."""
    network = copy.deepcopy(network)
    outputs: list[tuple[int, Tensor]] = []

    def keep(module: nn.Module, _: object, output: Tensor) -> None:
        output.retain_grad()
        outputs.append((module.get_parameter("weight")[0].numel(), output))

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(keep)
    nn.CrossEntropyLoss()(network(inputs), targets).backward()

    score = 0.0
    for fan_in, a in outputs:
        if a.grad is None:
            continue
        for c in range(a.shape[1]):
            squares = [(a[n, c] * a.grad[n, c]).sum().item() ** 2 for n in range(len(a))]
            score += fan_in * sum(squares) / len(squares) / 2
    return score
