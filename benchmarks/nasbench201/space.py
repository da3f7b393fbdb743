"""The NAS-Bench-201 / NATS-Bench topology space. Loads without torch."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.datasets import Images
from benchmarks.drawing import Graph
from benchmarks.errors import InputError
from benchmarks.nasbench201 import costs, drawing, enumeration, graf, moves
from benchmarks.nasbench201.architecture import Cell
from benchmarks.types import Costs, Dataset

if TYPE_CHECKING:
    from benchmarks.nasbench201.network import Network

_CODES = re.compile(r"[(\[] *[0-9]{1,3}(?: *, *[0-9]{1,3})* *[)\]]")

_IMAGES = Images(
    "NAS-Bench-201",
    MappingProxyType(
        {
            d.name: d
            for d in (
                Dataset("cifar10", 10, 32, images=("cifar10",), split="ori-test"),
                Dataset("cifar10-valid", 10, 32, images=("cifar10",), split="x-valid"),
                Dataset("cifar100", 100, 32, images=("cifar100", "cifar10"), split="x-test"),
                Dataset("ImageNet16-120", 120, 16, images=("ImageNet16-120",), split="x-test"),
            )
        }
    ),
)


class NASBench201Space:
    """NAS-Bench-201 as a `benchmarks.types.SearchSpace`."""

    #: Any images of another resolution and number of classes are one too: see `dataset`.
    datasets: Mapping[str, Dataset] = _IMAGES.trained
    #: See there.
    sets = enumeration.SETS

    def architectures(self, name: str) -> tuple[Cell, ...]:
        """Cells of the set `name` in official index order.

        Raises:
            InputError: The set is unknown.
        """
        return enumeration.architectures(name)

    def recognises(self, text: str) -> bool:
        """Whether a text is meant to be an architecture string or an index."""
        text = text.strip()
        return text.startswith("|") or (text.isascii() and text.isdigit() and len(text) <= 9)

    def parse(self, text: str) -> Cell:
        """The cell named by an architecture string, an official index, or operation codes in
        the order of NAS-Bench-Suite-Zero, "(4, 0, 3, 1, 4, 3)".

        Raises:
            InputError: None of these.
        """
        text = text.strip()
        if _CODES.fullmatch(text):
            return Cell.from_suite_zero([int(code) for code in text[1:-1].split(",")])
        if text.isascii() and text.isdigit():
            cells = enumeration.official_order()
            if len(text) > 9 or int(text) >= len(cells):
                raise InputError(f"NAS-Bench-201 index {text} is not in 0..{len(cells) - 1}")
            return cells[int(text)]
        return Cell.parse(text)

    def index(self, architecture: Cell) -> int:
        """Official index, 0..15,624."""
        return enumeration.official_index()[architecture]

    def sample(self, rng: random.Random) -> Cell:
        """A uniformly random cell."""
        return moves.sample(rng)

    def mutate(self, architecture: Cell, rng: random.Random) -> Cell:
        """The cell with the operation of one random edge replaced by another one."""
        return moves.mutate(architecture, rng)

    def neighbours(self, architecture: Cell) -> Iterator[Cell]:
        """The 24 cells that differ in the operation of one edge."""
        return moves.neighbours(architecture)

    def canonical(self, architecture: Cell) -> Cell:
        """The first cell in official order with the same isomorphism string and size."""
        return enumeration.canonical(architecture)

    def suite_zero_codes(self, architecture: Cell) -> tuple[int, ...]:
        """The six operation codes in the order of NAS-Bench-Suite-Zero."""
        return architecture.suite_zero

    def graph_features(self, architectures: Sequence[Cell]) -> pd.DataFrame:
        """GRAF features as the VKDNW paper's models take them (`graf.study_features`)."""
        return graf.study_features(architectures)

    def drawing(self, architecture: Cell) -> Graph:
        """The cell's graph: operations on its edges, pale where they do not reach the output."""
        return drawing.drawing(architecture)

    def costs(self, architecture: Cell, dataset: str) -> Costs:
        """Closed-form parameters, multiply-adds and parameter tensors (`costs.costs`).

        Raises:
            InputError: The dataset is unknown.
        """
        return costs.costs(architecture, self.dataset(dataset))

    def dataset(self, name: str) -> Dataset:
        """The task called `name`: one of `datasets`, or "images-RESOLUTION-CLASSES".

        Raises:
            InputError: The name is of neither kind.
        """
        return _IMAGES.dataset(name)

    def sized_dataset(self, resolution: int, classes: int) -> str:
        """The name of images of one's own.

        Raises:
            InputError: The space has no such resolution.
        """
        return _IMAGES.dataset(_IMAGES.name(resolution, classes)).name

    def network(self, architecture: Cell, dataset: str) -> Network:
        """The cell's network; weights as PyTorch initialises them.

        Raises:
            InputError: The dataset is unknown.
        """
        from benchmarks.nasbench201.network import Network

        return Network(architecture, self.dataset(dataset).classes)
