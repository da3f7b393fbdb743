"""The MobileNetV2 space. Loads without torch."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from benchmarks.datasets import CLASSES, RESOLUTION, ImageNet
from benchmarks.errors import InputError
from benchmarks.mobilenetv2 import costs, moves
from benchmarks.mobilenetv2.architecture import KNOWN, Structure
from benchmarks.mobilenetv2.costs import Counts
from benchmarks.types import Costs, Dataset

if TYPE_CHECKING:
    from benchmarks.mobilenetv2.network import Network

_STRUCTURE = re.compile(r"\s*[A-Za-z]\w*\(")

_IMAGENET = ImageNet("MobileNetV2", multiple=32, least=32)


class MobileNetV2Space:
    """The MobileNetV2 space as a `benchmarks.types.SearchSpace`.

    The space has no end: its one set is that of published structures.
    """

    #: Any other resolution and number of classes is a dataset too: see `dataset`.
    datasets: Mapping[str, Dataset] = _IMAGENET.named("imagenet", "imagenet-96", "imagenet-64-10")
    sets = ("known",)
    initial = KNOWN["initial"]

    def dataset(self, name: str) -> Dataset:
        """The task called `name`: "imagenet", or "imagenet-RESOLUTION[-CLASSES]".

        Raises:
            InputError: The name is of neither form, or another name is that task's.
        """
        return _IMAGENET.dataset(name)

    def sized_dataset(self, resolution: int, classes: int) -> str:
        """The name of images of that size.

        Raises:
            InputError: The space has no such resolution.
        """
        return _IMAGENET.dataset(_IMAGENET.name(resolution, classes)).name

    def architectures(self, name: str) -> tuple[Structure, ...]:
        """The published structures.

        Raises:
            InputError: The set is another one.
        """
        if name not in self.sets:
            raise InputError(
                f"unknown MobileNetV2 set {name!r}; known: {', '.join(self.sets)} (published "
                "structures; the space has no end, so list others in a file for --archs)"
            )
        return tuple(KNOWN.values())

    def recognises(self, text: str) -> bool:
        """Whether a text is meant to be a structure, well formed or not."""
        return text in KNOWN or _STRUCTURE.match(text) is not None

    def parse(self, text: str) -> Structure:
        """The structure that a string, or the name of a published one, stands for.

        Raises:
            InputError: As `Structure.parse`.
        """
        return KNOWN[text] if text in KNOWN else Structure.parse(text)

    def index(self, architecture: Structure) -> int | None:
        """None: the space has no order."""
        return None

    def sample(self, rng: random.Random) -> Structure:
        """The end of a random walk from the initial structure (`moves.sample`); not uniform."""
        return moves.sample(rng)

    def mutate(
        self, architecture: Structure, rng: random.Random, weights: moves.Weights = "published"
    ) -> Structure:
        """One published mutation (`moves.mutate_times`); may be the architecture itself."""
        return moves.mutate_times(architecture, rng, 1, weights)

    def mutate_times(self, architecture: Structure, rng: random.Random, times: int) -> Structure:
        """Several published mutations at once (`moves.mutate_times`)."""
        return moves.mutate_times(architecture, rng, times)

    def neighbours(self, architecture: Structure) -> Iterator[Structure]:
        """All that one mutation can give: thousands (`moves.neighbours`)."""
        return moves.neighbours(architecture)

    def counts(self, architecture: Structure, dataset: str, *, se: bool = False) -> Counts:
        """Size at a dataset's resolution and classes, true and published (`costs.counts`).

        Raises:
            InputError: The dataset is unknown.
        """
        task = _IMAGENET.dataset(dataset)
        return costs.counts(architecture, task.resolution, task.classes, se=se)

    def costs(self, architecture: Structure, dataset: str) -> Costs:
        """Closed-form size of the built network, without squeeze-and-excitation.

        Raises:
            InputError: The dataset is unknown.
        """
        size = self.counts(architecture, dataset)
        return Costs(params=size.params, flops=size.flops, layers=size.tensors)

    def limits(self, architecture: Structure, dataset: str) -> dict[str, float]:
        """`flops`, `params` and `layers` by the published counters, which bound the searches.

        They are those at 224 px and 1,000 classes whatever the dataset, so that a search that
        scores smaller images keeps to the published budgets.

        Raises:
            InputError: The dataset is unknown.
        """
        _IMAGENET.dataset(dataset)
        size = costs.counts(architecture, RESOLUTION, CLASSES)
        return {
            "flops": size.search_flops,
            "params": size.search_size,
            "layers": architecture.layers,
        }

    def figures(self, architecture: Structure, dataset: str) -> dict[str, int]:
        """What the papers say of a structure, beyond `costs`.

        Returns:
            search_flops, search_size and layers by the published counters; tensors, the
            parameter tensors; se_params, se_flops and se_search_flops, the same network with
            squeeze-and-excitation.

        Raises:
            InputError: The dataset is unknown.
        """
        size, se = (self.counts(architecture, dataset, se=se) for se in (False, True))
        return {
            "search_flops": round(size.search_flops),
            "search_size": size.search_size,
            "layers": architecture.layers,
            "tensors": size.tensors,
            "se_params": se.params,
            "se_flops": se.flops,
            "se_search_flops": round(se.search_flops),
        }

    def network(self, architecture: Structure, dataset: str) -> Network:
        """The structure's network; weights as PyTorch initialises them.

        Raises:
            InputError: The dataset is unknown.
        """
        from benchmarks.mobilenetv2.network import Network

        return Network(architecture, _IMAGENET.dataset(dataset).classes)

    def network_with_se(self, architecture: Structure, dataset: str) -> Network:
        """The same with squeeze-and-excitation in every unit, as in the papers' final training.

        Raises:
            InputError: The dataset is unknown.
        """
        from benchmarks.mobilenetv2.network import Network

        return Network(architecture, _IMAGENET.dataset(dataset).classes, se=True)

    def network_with(
        self, architecture: Structure, dataset: str, *, drop_path: float, se: bool = False
    ) -> Network:
        """As `network`, with stochastic depth in its units.

        Args:
            architecture: The structure.
            dataset: Fixes the classes.
            drop_path: Probability of leaving out the convolutions of the last unit; that of the
                others grows linearly from 0.
            se: Squeeze-and-excitation in every unit.

        Raises:
            InputError: The dataset is unknown.
        """
        from benchmarks.mobilenetv2.network import Network

        classes = _IMAGENET.dataset(dataset).classes
        return Network(architecture, classes, se=se, drop_path=drop_path)
