"""Small models and random walks that several tests use."""

from __future__ import annotations

import random

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.uninas import moves
from benchmarks.uninas.architecture import Model
from benchmarks.uninas.network import Network

#: Keeps what the walk makes small enough to be run hundreds of times.
SMALL = moves.Limits(params_max=900_000, flops_max=6e7)


def small(stages: str, *, px: int = 16, classes: int = 5) -> Model:
    """A model of two stages of 96 channels, the fewest that attention takes."""
    return Model.parse(f"4-4:96-96:{stages}:px={px}:classes={classes}")


def wanderer(seed: int, length: int, start: Model | None = None) -> list[moves.Step]:
    """A walk of so many steps within `SMALL`, from a random small model of known blocks."""
    rng = random.Random(seed)
    first = start or small(f"{rng.choice('RE')}/{rng.choice('RET')}")
    steps = [moves.start(first, SMALL)]
    while len(steps) <= length:
        made = moves.step(steps[-1], rng, SMALL)
        if made is not None:
            steps.append(made)
    return steps


walks = st.builds(wanderer, st.integers(0, 2**32 - 1), st.integers(1, 25))


def built(model: Model, seed: int = 0) -> Network:
    """Its network, with weights of that seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Network(model)


def images(model: Model, count: int = 2, seed: int = 0) -> Tensor:
    """Noise of the model's resolution."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, model.img_size, model.img_size, generator=generator)


def learn(network: nn.Module, inputs: Tensor) -> Tensor:
    """Cross-entropy of the first class, propagated back."""
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    loss = nn.functional.cross_entropy(network(inputs), targets)
    loss.backward()
    return loss.detach()
