"""UniNAS as a space. Loads without torch."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.datasets import CLASSES, RESOLUTION, ImageNet
from benchmarks.drawing import Blocks
from benchmarks.errors import InputError
from benchmarks.types import Costs, Dataset
from benchmarks.uninas import costs, drawing, files, moves
from benchmarks.uninas.architecture import KNOWN, Model

if TYPE_CHECKING:
    from benchmarks.uninas.network import Network

_ID = re.compile(r"\d+-\d+:")
_IMAGENET = ImageNet("UniNAS", multiple=2, least=32)


class UniNASSpace:
    """UniNAS as a `benchmarks.types.SearchSpace`.

    A dataset fixes resolution and classes: costs and networks are those of the model there,
    whatever its file says of them.
    """

    #: Any other resolution and number of classes is a dataset too: see `dataset`.
    datasets: Mapping[str, Dataset] = _IMAGENET.named("imagenet", "imagenet-112", "imagenet-64")
    #: The networks of the paper's tables; the space itself has no end.
    sets = ("known",)
    #: Where a search begins, as the public code's walk, and the paper's budget of parameters.
    initial = KNOWN["start"]
    budget = 30_000_000

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

    def architectures(self, name: str) -> Sequence[Model]:
        """Models of the set `name`.

        Raises:
            InputError: The set is unknown.
        """
        if name not in self.sets:
            raise InputError(f"unknown UniNAS set {name!r}; known: {', '.join(self.sets)}")
        return tuple(KNOWN.values())

    def recognises(self, given: str) -> bool:
        """Whether a text is meant to be a model, well formed or not."""
        given = given.strip()
        return given in KNOWN or given.startswith("{") or _ID.match(given) is not None

    def parse(self, given: str) -> Model:
        """The model that an id, the name of a known network or the content of a file gives.

        Raises:
            InputError: None of these.
        """
        given = given.strip()
        if given.startswith("{"):
            return files.parse(given)
        return KNOWN[given] if given in KNOWN else Model.parse(given)

    def own_dataset(self, architecture: Model) -> str:
        """The dataset of the model's own resolution and classes."""
        return _IMAGENET.name(architecture.img_size, architecture.classes)

    def write(self, architecture: Model, path: Path) -> None:
        """Write a model file in the public format (`benchmarks.uninas.files`).

        Raises:
            InputError: The file cannot be written.
        """
        files.write(architecture, path)

    def drawing(self, architecture: Model) -> Blocks:
        """Its blocks and their nodes."""
        return drawing.drawing(architecture)

    def index(self, architecture: Model) -> int | None:
        """None: the space has no order."""
        return None

    def sample(self, rng: random.Random) -> Model:
        """A model of random known blocks, some steps of the walk away; not uniform."""
        return moves.sample(rng)

    def mutate(self, architecture: Model, rng: random.Random) -> Model:
        """The model after one step of the walk, within the `budget` if it is so now."""
        return moves.mutate(architecture, rng, self.budget)

    def neighbours(self, architecture: Model) -> Iterator[Model]:
        """All models that differ by one node: thousands."""
        return moves.neighbours(architecture)

    def costs(self, architecture: Model, dataset: str) -> Costs:
        """Closed-form parameters, multiply-accumulates and trainable parameter tensors.

        Parameters are all of them, as in the paper's tables, with the few that no gradient
        reaches; the products within attention count as multiply-accumulates. FLOPs in the
        convention of the space: `figures`.

        Raises:
            InputError: The dataset is unknown, or the model does not fit its resolution.
        """
        size = costs.counts(self._at(architecture, dataset))
        return Costs(params=size.params, flops=size.macs, layers=size.tensors)

    def limits(self, architecture: Model, dataset: str) -> Mapping[str, float]:
        """What the limits of a search bound: `costs` at the model's own resolution and classes,
        so that scoring at a lower one leaves the budget as it is.

        Raises:
            InputError: The dataset is unknown.
        """
        self.dataset(dataset)
        size = costs.counts(architecture)
        return {"flops": size.macs, "params": size.params, "layers": size.tensors}

    def figures(self, architecture: Model, dataset: str) -> Mapping[str, int]:
        """More than `costs` says.

        Returns:
            trainable_params, without those that no gradient reaches; flops in the convention of
            the space and the paper's tables: two for a multiply-accumulate, and elementwise
            operations of nodes; macs, what `costs` calls FLOPs.

        Raises:
            InputError: As `costs`.
        """
        size = costs.counts(self._at(architecture, dataset))
        return {"trainable_params": size.trainable, "flops": size.flops, "macs": size.macs}

    def unsized(self, architecture: Model) -> Model:
        """The model at 224 px and 1,000 classes, without dropout before the classifier.

        Raises:
            InputError: It does not fit there.
        """
        return replace(architecture, img_size=RESOLUTION, classes=CLASSES, drop_rate=0.0).checked()

    def size_at(self, architecture: Model, height: int, width: int) -> Mapping[str, float]:
        """Parameters at 224 px, and FLOPs on other images: two for a multiply-accumulate.

        Elementwise operations, which `figures` counts too, are left out (at most 3 % of the known
        models), as by PyTorch's own counter, which counts networks with heads.

        Raises:
            InputError: A side is no multiple of 32.
        """
        if height % 32 or width % 32 or min(height, width) < 32:
            raise InputError(f"{height} x {width}: sides of images are multiples of 32")
        model = self.unsized(architecture)
        size = costs.counts(model, (height, width))
        return {"params": costs.counts(model).params, "flops": 2 * size.macs}

    def network(self, architecture: Model, dataset: str) -> Network:
        """The model's network; weights as the public code draws them.

        Raises:
            InputError: The dataset is unknown, or the model does not fit its resolution.
        """
        from benchmarks.uninas.network import Network

        return Network(self._at(architecture, dataset))

    def network_with(
        self, architecture: Model, dataset: str, *, drop_path: float, se: bool = False
    ) -> Network:
        """As `network`, with stochastic depth.

        Args:
            architecture: The model.
            dataset: Fixes resolution and classes.
            drop_path: Probability of leaving out a subblock of the last block; that of the others
                grows linearly from 0.
            se: Refused: squeeze-and-excitation is a node of the space.

        Raises:
            InputError: As `network`.
        """
        from benchmarks.uninas.network import Network

        if se:
            raise InputError("UniNAS models have squeeze-and-excitation as nodes; leave se out")
        return Network(self._at(architecture, dataset), drop_path)

    def _at(self, model: Model, dataset: str) -> Model:
        task = self.dataset(dataset)
        if (model.img_size, model.classes) == (task.resolution, task.classes):
            return model
        return replace(model, img_size=task.resolution, classes=task.classes).checked()
