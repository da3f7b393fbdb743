"""The shapes that benchmarks, proxies and the engine share. Loads without torch."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from benchmarks.truth import Table

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Dataset:
    """A classification task as a benchmark trained it.

    Attributes:
        name: The benchmark's key ("cifar10", "cifar10-valid", "cifar100", "ImageNet16-120").
        classes: Number of logits.
        resolution: Side of the square input in pixels; three channels.
        images: Where its real images come from (a name that `benchmarks.inputs` knows).
        split: The split that counts as the final accuracy ("ori-test", "x-test" ...).
    """

    name: str
    classes: int
    resolution: int
    images: str
    split: str


@dataclass(frozen=True, slots=True)
class Costs:
    """The size of an architecture, from closed formulas.

    Attributes:
        params: Trainable parameters.
        flops: Multiply-accumulates of convolutions and linear layers for one image.
        layers: Trainable parameter tensors (the VKDNW papers' aleph).
    """

    params: int
    flops: int
    layers: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One mini-batch.

    Attributes:
        inputs: Images, (B, 3, R, R), float32, normalised.
        targets: Class indices, (B,), int64.
        source: "gaussian", or the name of the image set.
    """

    inputs: Tensor
    targets: Tensor
    source: str


@runtime_checkable
class Architecture(Protocol):
    """One point of a space: hashable, comparable, and named by `id`."""

    @property
    def id(self) -> str:
        """Canonical text form; the key of scores and accuracies."""
        ...


class SearchSpace(Protocol):
    """What the harness asks of a space. One class in `benchmarks/<space>/space.py`."""

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """Tasks that networks of the space can be built for."""
        ...

    @property
    def sets(self) -> Sequence[str]:
        """Names of the architecture sets, the default first."""
        ...

    def dataset(self, name: str) -> Dataset:
        """The task called `name`; an unknown one raises `InputError`."""
        ...

    def architectures(self, name: str) -> Sequence[Any]:
        """All members of the set `name`, in the benchmark's official order."""
        ...

    def parse(self, text: str) -> Any:
        """The architecture that a string, an index or a hash names."""
        ...

    def index(self, architecture: Any) -> int | None:
        """Official index, or None where the benchmark has none."""
        ...

    def sample(self, rng: random.Random) -> Any:
        """A uniformly random architecture."""
        ...

    def mutate(self, architecture: Any, rng: random.Random) -> Any:
        """A random neighbour."""
        ...

    def neighbours(self, architecture: Any) -> Iterator[Any]:
        """All architectures one edit away."""
        ...

    def costs(self, architecture: Any, dataset: str) -> Costs:
        """Closed-form size; equals that of the built network."""
        ...

    def network(self, architecture: Any, dataset: str) -> nn.Module:
        """The architecture as a PyTorch network, with `features` and `pre_gap`."""
        ...


@dataclass(frozen=True)
class TruthSource:
    """One place where ground truth may lie.

    Attributes:
        name: What `--truth` calls it.
        find: The file it would be read from, or None where there is none on this machine.
        load: Reads that file into a `Table`.
        remedy: How a user gets it, for messages.
        automatic: Whether it may be chosen without being named.
    """

    name: str
    find: Callable[[], Path | None]
    load: Callable[[Path], Table]
    remedy: str
    automatic: bool = True


@dataclass(frozen=True)
class Benchmark:
    """A space with accuracies.

    Attributes:
        name: "nasbench201" ...
        space: Its architectures.
        truths: Sources of ground truth, the best first.
        import_official: Streams an official file into a `Table`; the callback takes
            (done, total) in units of the reader's choice.
        keep: Writes an imported table to the given path, or where `truths` finds it.
        ndcg_top: (P, n): the published nDCG looks at the best P of n architectures.
        fetches: Names in `sources.toml` that `harness data fetch` downloads for it.
    """

    name: str
    space: SearchSpace
    truths: Sequence[TruthSource]
    import_official: Callable[[Path, Callable[[int, int], None]], Table]
    keep: Callable[[Table, Path | None], Path]
    ndcg_top: tuple[int, int]
    fetches: Sequence[str] = ()
