"""The shapes that benchmarks, proxies and the engine share. Loads without torch."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from benchmarks.drawing import Drawing
from benchmarks.errors import InputError
from benchmarks.published import Published
from benchmarks.tables import TruthTable
from benchmarks.trained import TrainedTable

if TYPE_CHECKING:
    import pandas as pd
    from torch import Generator, Tensor, nn


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from the parts of a key, the same on every machine.

    >>> derive_seed("nasbench201", "cifar10", 0) == derive_seed("nasbench201", "cifar10", 0)
    True
    """
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True, slots=True)
class Dataset:
    """A classification task as a benchmark trained it.

    Attributes:
        name: The benchmark's key ("cifar10", "cifar10-valid", "cifar100", "ImageNet16-120").
        classes: Number of logits.
        resolution: Side of the square input in pixels; three channels.
        images: Image sets (names that `benchmarks.inputs` knows) for its real batches, its own
            first; a later one stands in where the earlier are not on this machine.
        split: The split that counts as the final accuracy ("ori-test", "x-test" ...).
        epochs: Epochs of the full training, whose accuracy is the final one.
        diverged_below: A training that ends below so many percent has failed; None: the benchmark
            has no such notion.
    """

    name: str
    classes: int
    resolution: int
    images: tuple[str, ...]
    split: str
    epochs: int = 200
    diverged_below: float | None = None


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
        seed: What it was drawn from; a proxy's own random numbers derive from it too.
    """

    inputs: Tensor
    targets: Tensor
    source: str
    seed: int = 0

    def generator(self, purpose: str) -> Generator:
        """A CPU generator for a proxy's own random numbers: a function of seed and purpose."""
        import torch  # noqa: PLC0415 - this module loads without it

        return torch.Generator().manual_seed(derive_seed("batch", self.seed, purpose))

    def noise(self, purpose: str) -> Tensor:
        """N(0, 1) noise of the shape, type and device of the inputs, drawn by `generator`."""
        import torch  # noqa: PLC0415

        drawn = torch.randn(self.inputs.shape, generator=self.generator(purpose))
        like = self.inputs
        return torch.empty_like(like).copy_(drawn)


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
        """Names of the architecture sets, the default first; "all" is the whole space."""
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
        """The architecture as a PyTorch network, with `features`, `pre_gap`, `head`."""
        ...


# What a search asks of a space beyond `SearchSpace`. Each is optional; without it: a search
# begins at samples, `costs` are limited, every architecture is its own, edits are `mutate`s.


@runtime_checkable
class HasInitial(Protocol):
    """A space whose searches begin at a given architecture."""

    @property
    def initial(self) -> Any:
        """Where evolution begins."""
        ...


@runtime_checkable
class HasLimits(Protocol):
    """A space with counters of its own for the limits of a search."""

    def limits(self, architecture: Any, dataset: str) -> Mapping[str, float]:
        """Figures that --max-flops, --max-params, --max-layers bound: `flops`, `params`, `layers`.

        Raises:
            InputError: The dataset is unknown.
        """
        ...


@runtime_checkable
class HasCanonical(Protocol):
    """A space in which several architectures are one network; a search scores it once."""

    def canonical(self, architecture: Any) -> Any:
        """The one that stands for all that compute the same function at the same size."""
        ...


@runtime_checkable
class HasEdits(Protocol):
    """A space where several edits at once are not several mutations in turn."""

    def mutate_times(self, architecture: Any, rng: random.Random, times: int) -> Any:
        """The architecture after `times` random edits."""
        ...


@runtime_checkable
class HasIds(Protocol):
    """A space so large that its ids are told without making its architectures."""

    def ids(self, name: str) -> Sequence[str]:
        """Ids of `architectures(name)`, in the same order."""
        ...

    def count(self, name: str) -> int:
        """Number of these."""
        ...


def ids_of(space: SearchSpace, name: str) -> Sequence[str]:
    """Ids of the members of the set `name`, in its order; an unknown one raises `InputError`."""
    if isinstance(space, HasIds):
        return space.ids(name)
    return [architecture.id for architecture in space.architectures(name)]


def count_of(space: SearchSpace, name: str) -> int:
    """Number of members of the set `name`; an unknown one raises `InputError`."""
    return space.count(name) if isinstance(space, HasIds) else len(space.architectures(name))


# What `harness build` asks of a space beyond `SearchSpace`; each is optional too.


@runtime_checkable
class Recognises(Protocol):
    """A space that knows its architectures by sight; others are asked to `parse`."""

    def recognises(self, text: str) -> bool:
        """Whether a text is meant to be an architecture of this space, well formed or not."""
        ...


@runtime_checkable
class HasFigures(Protocol):
    """A space of whose architectures more is to be said than `costs`."""

    def figures(self, architecture: Any, dataset: str) -> Mapping[str, int]:
        """More figures by name; one that `Costs` has too takes its place.

        Raises:
            InputError: The dataset is unknown.
        """
        ...


@runtime_checkable
class HasFiles(Protocol):
    """A space with a file format of its own; `parse` takes the content of such a file."""

    def own_dataset(self, architecture: Any) -> str:
        """The dataset that the file of an architecture states."""
        ...

    def write(self, architecture: Any, path: Path) -> None:
        """Write the file of an architecture, whole or not at all.

        Raises:
            InputError: The file cannot be written.
        """
        ...


@runtime_checkable
class HasDrawing(Protocol):
    """A space whose architectures can be drawn."""

    def drawing(self, architecture: Any) -> Drawing:
        """What is to be seen of an architecture; `harness.report.drawings` makes a figure of it."""
        ...


@runtime_checkable
class HasSqueezeExcitation(Protocol):
    """A space whose networks are searched without squeeze-and-excitation and trained with it."""

    def network_with_se(self, architecture: Any, dataset: str) -> nn.Module:
        """As `network`, with squeeze-and-excitation.

        Raises:
            InputError: The dataset is unknown.
        """
        ...


# What training asks of a space beyond `SearchSpace`; each is optional too.


@runtime_checkable
class HasSizedDataset(Protocol):
    """A space whose networks can be built for any images."""

    def sized_dataset(self, resolution: int, classes: int) -> str:
        """Name of the dataset of images of that many pixels a side and that many classes.

        Raises:
            InputError: The space has no such resolution.
        """
        ...


@runtime_checkable
class HasDropPath(Protocol):
    """A space whose networks can be trained with stochastic depth."""

    def network_with(
        self, architecture: Any, dataset: str, *, drop_path: float, se: bool = False
    ) -> nn.Module:
        """As `network`, with residual branches that are left out of single images in train mode.

        Args:
            architecture: A point of the space.
            dataset: As of `network`.
            drop_path: Probability of leaving out the last branch; that of the others grows
                linearly from 0.
            se: Squeeze-and-excitation; only of a space that `HasSqueezeExcitation`.

        Raises:
            InputError: The dataset is unknown, or the space has no squeeze-and-excitation.
        """
        ...


@runtime_checkable
class Resizes(Protocol):
    """A module whose one parameter fits networks for images of other sizes once it is resized.

    Its `load_state_dict` does so.
    """

    def resized(self, held: Tensor) -> Tensor:
        """The parameter of such a module for another size, at the size of this one.

        Raises:
            InputError: It is none.
        """
        ...


# What tables of trained models ask of a space beyond `SearchSpace`; each is optional too.


@runtime_checkable
class HasUnsized(Protocol):
    """A space whose architectures state a size of images and a number of classes themselves."""

    def unsized(self, architecture: Any) -> Any:
        """The same at the space's usual size: what two trainings of one network share."""
        ...


@runtime_checkable
class HasSizeAt(Protocol):
    """A space that counts a network on images that are no squares."""

    def size_at(self, architecture: Any, height: int, width: int) -> Mapping[str, float]:
        """`params`, and `flops` as papers print them, of the network alone.

        Args:
            architecture: Of the space.
            height: Of the images in pixels.
            width: Of the images in pixels.

        Raises:
            InputError: The network takes no such images.
        """
        ...


# What models and score files ask of a space beyond `SearchSpace`; each is optional too.


@runtime_checkable
class HasFeatures(Protocol):
    """A space with features of an architecture's graph, for models that predict accuracies."""

    def graph_features(self, architectures: Sequence[Any]) -> pd.DataFrame:
        """Features of n architectures: n rows, indexed by id, a column a feature, float."""
        ...


@runtime_checkable
class HasSuiteZeroCodes(Protocol):
    """A space that NAS-Bench-Suite-Zero's files name by integer codes."""

    def suite_zero_codes(self, architecture: Any) -> tuple[int, ...]:
        """The codes of an architecture; `parse` takes their text, "(4, 0, 3, 1, 4, 3)"."""
        ...


@dataclass(frozen=True)
class TruthSource:
    """One place where ground truth may lie.

    Attributes:
        name: What `--truth` calls it.
        find: The file it would be read from, or None where there is none on this machine.
        load: Reads that file.
        remedy: How a user gets it, for messages.
        automatic: Whether it may be chosen without being named.
        suffix: Ending of the files that `--truth FILE` reads by `load`; "": none.
        splits: Splits that count as final, the best first; empty: the dataset's own.
    """

    name: str
    find: Callable[[], Path | None]
    load: Callable[[Path], TruthTable]
    remedy: str
    automatic: bool = True
    suffix: str = ""
    splits: Sequence[str] = ()


@dataclass(frozen=True)
class Benchmark:
    """A space, with accuracies where its architectures were trained.

    A space without truths can be scored and searched, not evaluated.

    Attributes:
        name: "nasbench201" ...
        space: Its architectures.
        truths: Sources of ground truth, the best first.
        import_official: Streams an official file into a table; the callback takes
            (done, total) in units of the reader's choice. None: there is no such file.
        keep: Writes an imported table to the given path, or where `truths` finds it.
        ndcg_top: (P, n): the published nDCG looks at the best P of n architectures.
        fetches: Names in `sources.toml` that `harness data fetch` downloads for it.
        tables: Papers' tables that ours are compared with, by key, the default first.
        trained: Papers' tables of trained models, by key, the default first.
        training: Name of the protocol in `harness.training` that its networks are trained by.
    """

    name: str
    space: SearchSpace
    truths: Sequence[TruthSource] = ()
    import_official: Callable[[Path, Callable[[int, int], None]], TruthTable] | None = None
    keep: Callable[[Any, Path | None], Path] | None = None
    ndcg_top: tuple[int, int] = (1000, 9445)
    fetches: Sequence[str] = ()
    tables: Mapping[str, Published] = field(default_factory=dict)
    trained: Mapping[str, TrainedTable] = field(default_factory=dict)
    training: str = ""

    @property
    def papers(self) -> Sequence[str]:
        """Keys of the papers' tables, the default first."""
        return tuple(self.tables)

    def published(self, paper: str | None = None) -> Published:
        """A paper's table.

        Args:
            paper: Its key; default: the first.

        Raises:
            InputError: There is none of that key, or none at all.
        """
        if not self.tables:
            raise InputError(f"there are no published figures of {self.name}")
        key = self.papers[0] if paper is None else paper
        if key not in self.tables:
            raise InputError(
                f"there is no published table {key!r} of {self.name}; "
                f"name one of {', '.join(self.papers)}"
            )
        return self.tables[key]

    def ndcg_p(self, n: int) -> int:
        """P of the nDCG on a sample of n: the same share of it as in the published figures."""
        top, of = self.ndcg_top
        return max(1, round(top * n / of))
