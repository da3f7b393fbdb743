"""The NAS-Bench-101 space. Loads without torch."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks.datasets import Images
from benchmarks.drawing import Graph
from benchmarks.errors import InputError
from benchmarks.nasbench101 import costs, drawing, enumeration, moves
from benchmarks.nasbench101.architecture import Cell
from benchmarks.types import Costs, Dataset

if TYPE_CHECKING:
    from benchmarks.nasbench101.network import Network

_HASH = re.compile(r"[0-9a-f]{32}")
_CODES = re.compile(r"\(\s*\d(\s*,\s*\d)*\s*,?\s*\)")

_IMAGES = Images(
    "NAS-Bench-101",
    MappingProxyType(
        {
            "cifar10": Dataset(
                "cifar10", 10, 32, images=("cifar10",), split="test", epochs=108, diverged_below=15
            )
        }
    ),
)


class NASBench101Space:
    """NAS-Bench-101 as a `benchmarks.types.SearchSpace`."""

    #: Any images of another resolution and number of classes are one too: see `dataset`.
    datasets: Mapping[str, Dataset] = _IMAGES.trained
    #: All 423,624 cells.
    sets = ("all",)

    def architectures(self, name: str) -> enumeration.Enumeration:
        """Cells of the set `name`, in the order in which the benchmark enumerates them.

        Raises:
            InputError: The set is unknown.
        """
        self.count(name)
        return enumeration.enumeration()

    def ids(self, name: str) -> list[str]:
        """Their module hashes.

        Raises:
            InputError: The set is unknown.
        """
        return [digest.hex() for digest in self.architectures(name).hashes]

    def count(self, name: str) -> int:
        """Number of cells of the set `name`, known without enumerating them.

        Raises:
            InputError: The set is unknown.
        """
        if name not in self.sets:
            raise InputError(f"unknown NAS-Bench-101 set {name!r}; known: {', '.join(self.sets)}")
        return enumeration.SIZE

    def parse(self, text: str) -> Cell:
        """The cell named by a module hash, or by the codes of NAS-Bench-Suite-Zero, "(0, 1, ...)".

        Raises:
            InputError: Neither of these.
        """
        text = text.strip()
        if _CODES.fullmatch(text):
            codes = [int(code) for code in text[1:-1].rstrip(" ,").split(",")]
            return enumeration.enumeration().representative(Cell.from_suite_zero(codes))
        if not _HASH.fullmatch(text):
            raise InputError(
                f"{text!r} names no NAS-Bench-101 cell; expected a module hash of 32 hexadecimal "
                'digits, or the codes of NAS-Bench-Suite-Zero, "(0, 1, ...)"'
            )
        return enumeration.enumeration().cell(text)

    def index(self, architecture: Cell) -> None:
        """None: the benchmark numbers no cells."""
        return

    def sample(self, rng: random.Random) -> Cell:
        """A uniformly random cell."""
        return moves.sample(rng)

    def mutate(self, architecture: Cell, rng: random.Random) -> Cell:
        """A random neighbour, all equally likely."""
        return moves.mutate(architecture, rng)

    def neighbours(self, architecture: Cell) -> Iterator[Cell]:
        """All other cells that one edge or one operation makes of it (`moves.neighbours`)."""
        return moves.neighbours(architecture)

    def drawing(self, architecture: Cell) -> Graph:
        """The cell's graph, operations in its vertices."""
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
        from benchmarks.nasbench101.network import Network

        return Network(architecture, self.dataset(dataset).classes)
