"""UniNAS as a space: blocks, models, their sizes, and the networks that are known points of it.

A model is a stem, stages of blocks and a head. A block computes x <- shortcut(x) + sub1(norm1(x)),
x <- x + sub2(norm2(x)); its two subblocks are sequences of nodes that keep the shape. The first
block of a stage halves the resolution in shortcut and norm1. Source: the UniNAS paper and its
public code.

This module knows no network and loads without torch.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks.errors import InputError
from benchmarks.types import Costs, Dataset
from benchmarks.uninas import nodes as n
from benchmarks.uninas import text

if TYPE_CHECKING:
    from benchmarks.drawing import Blocks
    from benchmarks.uninas.network import Network

DEPTHS = (2, 3, 5, 2)
WIDTHS = (96, 192, 384, 768)
STEM = (32, 64)

_ID = re.compile(r"\d+-\d+:")
_BLOCKS = re.compile(r"[A-Z]|\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Block:
    """The part of a block that the walk changes.

    Attributes:
        sub1: First subblock, behind norm1.
        sub2: Second subblock, behind norm2.
    """

    sub1: n.Sequence
    sub2: n.Sequence


@functools.cache
def known_block(code: str, width: int) -> Block:
    """A block of a known network.

    Args:
        code: "R" (ResNet), "E" (EfficientNet: inverted bottleneck with squeeze-and-excitation) or
            "T" (transformer: attention and MLP).
        width: Its channels; of "T" 32 for each of 3, 6, 12 or 24 heads.

    Raises:
        InputError: The code is unknown, or the block cannot have that width.
    """
    match code:
        case "R":
            unit = (n.Conv3(), n.BatchNorm(), n.GELU())
            return Block(unit + unit, (n.Zero(),))
        case "E":
            squeeze = n.AvgAndUpsample((n.ReduceAndExpand((n.GELU(),)),))
            excite = n.ForkMerge("copy", "multiply", ((), (squeeze,)))
            norm = (n.BatchNorm(), n.GELU())
            body = (*norm, n.ConvDepth5(), *norm, excite)
            return Block((n.ExpandAndReduce(body), n.BatchNorm()), (n.Zero(),))
        case "T":
            heads, rest = divmod(width, n.HEAD)
            if rest or heads not in n.HEADS:
                known = ", ".join(str(n.HEAD * heads) for heads in n.HEADS)
                raise InputError(f"a transformer block has {known} channels, not {width}")
            maps: n.Sequence = (n.RelPosBias(), n.Softmax())
            none: tuple[n.Sequence, ...] = ((),)
            attention = n.ForkMergeAttention(none * 3 * heads, (maps,) * heads, none * heads)
            mlp = n.ExpandAndReduce((n.LayerNorm(), n.GELU()), 4, "kaiming_normal_mlp")
            return Block((attention, n.Conv1()), (mlp,))
    raise InputError(f"unknown block {code!r}; known: R, E, T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block stands.

    Attributes:
        c_in: Channels that it takes.
        shape: (C, H, W) that it gives, at which its subblocks stand.
        first: Whether it is the first of its stage and halves the resolution.
    """

    c_in: int
    shape: n.Shape
    first: bool


@dataclass(frozen=True, slots=True)
class Model:
    """One architecture.

    Attributes:
        stages: Their blocks.
        widths: Channels of every stage.
        stem: Channels of the two convolutions before them.
        img_size: Side of the square input in pixels.
        classes: Number of logits.
        drop_rate: Dropout before the classifier.
    """

    stages: tuple[tuple[Block, ...], ...]
    widths: tuple[int, ...] = WIDTHS
    stem: tuple[int, int] = STEM
    img_size: int = 224
    classes: int = 1000
    drop_rate: float = 0.0

    @classmethod
    def known(cls, codes: str, widths: tuple[int, ...] = WIDTHS) -> Model:
        """A model of known blocks.

        >>> Model.known("EE/EEE/TTTTT/TT").id
        '32-64:96-192-384-768:EE/EEE/TTTTT/TT'

        Raises:
            InputError: As `parse`.
        """
        return cls.parse(f"{STEM[0]}-{STEM[1]}:{'-'.join(map(str, widths))}:{codes}")

    @classmethod
    def parse(cls, given: str) -> Model:
        """Read an `id`: stem, widths, and stages of blocks R, E, T or `{sub1|sub2}`.

        Raises:
            InputError: It is none, or a node does not fit where it stands.
        """
        fields = given.strip().split(":")
        try:
            if len(fields) < 3:
                raise ValueError("stem, widths and stages are separated by ':'")
            stem, widths = (tuple(map(_number, part.split("-"))) for part in fields[:2])
            rest = dict(part.split("=") for part in fields[3:])
            img_size = _number(rest.pop("px", "224"))
            classes = _number(rest.pop("classes", "1000"))
            drop_rate = float(rest.pop("drop", "0"))
            if rest:
                raise ValueError(f"unknown field {next(iter(rest))!r}")
            stages = fields[2].split("/")
            if len(stages) != len(widths):
                raise ValueError(f"{len(stages)} stages, but {len(widths)} widths")
            blocks = tuple(
                tuple(_parse_blocks(stage, c)) for stage, c in zip(stages, widths, strict=True)
            )
            if len(stem) != 2:
                raise ValueError("the stem has two widths")
            model = cls(blocks, widths, (stem[0], stem[1]), img_size, classes, drop_rate)
        except ValueError as error:
            shown = given if len(given) < 300 else f"{given[:300]}..."
            raise InputError(
                f"malformed UniNAS architecture {shown!r}: {error}; expected something like "
                "32-64:96-192-384-768:EE/EEE/TTTTT/TT"
            ) from error
        return model.checked()

    @property
    def id(self) -> str:
        """Canonical text: stem, widths, stages, and what differs from 224 px, 1000 classes, 0."""
        stages = "/".join(
            "".join(_block_text(block, c) for block in stage)
            for stage, c in zip(self.stages, self.widths, strict=True)
        )
        rest = [f"px={self.img_size}"] if self.img_size != 224 else []
        rest += [f"classes={self.classes}"] if self.classes != 1000 else []
        rest += [f"drop={self.drop_rate:g}"] if self.drop_rate else []
        widths = "-".join(map(str, self.widths))
        return ":".join([f"{self.stem[0]}-{self.stem[1]}", widths, stages, *rest])

    def __str__(self) -> str:
        return self.id

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks of every stage."""
        return tuple(map(len, self.stages))

    def places(self) -> Iterator[Place]:
        """Where each block stands, in order."""
        c_in, side = self.stem[1], self.img_size // 2
        for blocks, c in zip(self.stages, self.widths, strict=True):
            side //= 2
            for number in range(len(blocks)):
                yield Place(c_in if number == 0 else c, (c, side, side), number == 0)
            c_in = c

    def blocks(self) -> Iterator[Block]:
        """All blocks in order."""
        for stage in self.stages:
            yield from stage

    def checked(self) -> Model:
        """This model, if it can be built.

        Raises:
            InputError: Sizes are impossible, or a node does not fit where it stands.
        """
        if self.img_size % 2 or self.img_size >> (len(self.widths) + 1) < 1:
            least = 2 << len(self.widths)
            raise InputError(f"img_size {self.img_size} must be even and at least {least}")
        if not all(0 < c <= 8192 for c in (*self.widths, *self.stem)) or self.classes < 1:
            raise InputError("widths must be in 1..8192 and there must be a class")
        if not 0 <= self.drop_rate < 1:
            raise InputError(f"drop_rate {self.drop_rate} is not in [0, 1)")
        if not all(self.stages):
            raise InputError("a stage has no block")
        for misfit in self.misfits():
            raise InputError(f"{misfit.path}: {misfit.reason}")
        return self

    def misfits(self) -> Iterator[n.Misfit]:
        """Nodes that do not fit where they stand."""
        numbers = [(s, b) for s, stage in enumerate(self.stages) for b in range(len(stage))]
        for (s, b), block, place in zip(numbers, self.blocks(), self.places(), strict=True):
            for name, sequence in (("subblock1", block.sub1), ("subblock2", block.sub2)):
                yield from n.misfits(sequence, place.shape, f"stage {s}, block {b}, {name}")

    def counts(self) -> n.Counts:
        """Size of the whole model, by closed formulas; equals that of the built network."""
        total = n.Counts()
        for part in self._frame():
            total += part.counts(True)
        for block, place in zip(self.blocks(), self.places(), strict=True):
            total += block_counts(block, place)
        return total

    def _frame(self) -> Iterator[n.Part]:
        """Stem, last norm and classifier; of these only products count as FLOPs, as published."""
        pixels = (self.img_size // 2) ** 2
        yield n.convolution(3, self.stem[0], pixels, taps=9, bias=False)
        yield n.Part(2 * self.stem[0], 2)
        yield n.convolution(*self.stem, pixels, taps=9, bias=False)
        yield n.Part(2 * self.widths[-1], 2)
        yield n.convolution(self.widths[-1], self.classes, 1)


def _number(digits: str) -> int:
    if not digits.isdecimal() or len(digits) > 6:
        raise ValueError(f"{digits!r} is no number")
    return int(digits)


def _block_text(block: Block, width: int) -> str:
    for code in "RET":
        if code == "T" and width not in [n.HEAD * heads for heads in n.HEADS]:
            continue
        if block == known_block(code, width):
            return code
    return f"{{{text.to_text(block.sub1)}|{text.to_text(block.sub2)}}}"


def _parse_blocks(stage: str, width: int) -> Iterator[Block]:
    if "".join(_BLOCKS.findall(stage)) != stage:
        raise ValueError(f"stage {stage[:80]!r} is no row of blocks")
    for found in _BLOCKS.findall(stage):
        if not found.startswith("{"):
            yield known_block(found, width)
            continue
        halves = found[1:-1].split("|")
        if len(halves) != 2:
            raise ValueError(f"block {found[:80]!r} must have two subblocks, separated by '|'")
        yield Block(*map(text.from_text, halves))


@functools.lru_cache(maxsize=4096)
def block_counts(block: Block, place: Place) -> n.Counts:
    """Size of a block with its shortcut and norms.

    Of shortcut and norms only convolutions count as FLOPs, as in the published figures. No
    gradient reaches a norm whose subblock passes none on.
    """
    c, h, w = place.shape
    total = n.count(block.sub1, place.shape) + n.count(block.sub2, place.shape)
    live1, live2 = n.transmits(block.sub1), n.transmits(block.sub2)
    if place.first and place.c_in != c:
        project = n.convolution(place.c_in, c, h * w)
        total += project.counts(True) + project.counts(live1)
    return total + n.Part(2 * place.c_in, 2).counts(live1) + n.Part(2 * c, 2).counts(live2)


#: The networks of the paper's tables; the first example of the public code, and where its walk
#: starts.
KNOWN: Mapping[str, Model] = MappingProxyType(
    {
        "resnet": Model.known("RR/RRR/RRRRR/RR", (64, 128, 384, 512)),
        "efficientnet": Model.known("EE/EEE/EEEEE/EE", (96, 192, 384, 512)),
        "transformer": Model.known("TT/TTT/TTTTT/TT"),
        "coatnet": Model.known("EE/EEE/TTTTT/TT"),
        "example": Model.known("EE/ERR/TTTTT/ER"),
        "start": Model.known("ER/TTT/TTTTT/TT"),
    }
)


_DATASET = re.compile(r"imagenet(?:-(\d{1,4}))?(?:-(\d{1,5}))?")
_DATASETS = (
    "use imagenet (224 px, 1000 classes) or imagenet-RESOLUTION[-CLASSES], such as imagenet-64 or "
    "imagenet-64-10, the resolution even and at least 32"
)


def _dataset_name(resolution: int, classes: int) -> str:
    if (resolution, classes) == (224, 1000):
        return "imagenet"
    return f"imagenet-{resolution}" + (f"-{classes}" if classes != 1000 else "")


@functools.cache
def _dataset(name: str) -> Dataset:
    found = _DATASET.fullmatch(name)
    if found is None:
        raise InputError(f"unknown UniNAS dataset {name!r}; {_DATASETS}")
    resolution, classes = int(found[1] or 224), int(found[2] or 1000)
    if resolution % 2 or resolution < 32 or classes < 2:
        raise InputError(f"there is no UniNAS dataset {name!r}; {_DATASETS}")
    own = _dataset_name(resolution, classes)
    if name != own:  # one name a dataset: it is part of the key of scores
        raise InputError(f"the UniNAS dataset {name!r} is called {own!r}")
    return Dataset(name, classes, resolution, images=(), split="val")


class UniNASSpace:
    """UniNAS as a `benchmarks.types.SearchSpace`.

    A dataset fixes resolution and classes: costs and networks are those of the model there,
    whatever its file says of them.
    """

    #: Any other resolution and number of classes is a dataset too: see `dataset`.
    datasets: Mapping[str, Dataset] = MappingProxyType(
        {name: _dataset(name) for name in ("imagenet", "imagenet-112", "imagenet-64")}
    )
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
        return _dataset(name)

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
        from benchmarks.uninas import files

        given = given.strip()
        if given.startswith("{"):
            return files.parse(given)
        return KNOWN[given] if given in KNOWN else Model.parse(given)

    def own_dataset(self, architecture: Model) -> str:
        """The dataset of the model's own resolution and classes."""
        return _dataset_name(architecture.img_size, architecture.classes)

    def write(self, architecture: Model, path: Path) -> None:
        """Write a model file in the public format (`benchmarks.uninas.files`).

        Raises:
            InputError: The file cannot be written.
        """
        from benchmarks.uninas import files

        files.write(architecture, path)

    def drawing(self, architecture: Model) -> Blocks:
        """Its blocks and their nodes."""
        from benchmarks.uninas.drawing import drawing

        return drawing(architecture)

    def index(self, architecture: Model) -> int | None:
        """None: the space has no order."""
        return None

    def sample(self, rng: random.Random) -> Model:
        """A model of random known blocks, some steps of the walk away; not uniform."""
        from benchmarks.uninas import walk

        codes = "/".join("".join(rng.choices("RET", k=depth)) for depth in DEPTHS)
        current = walk.start(Model.known(codes))
        for _ in range(rng.randrange(2 * sum(DEPTHS))):
            current = walk.step(current, rng) or current
        return current.model

    def mutate(self, architecture: Model, rng: random.Random) -> Model:
        """The model after one step of the walk, within the `budget` if it is so now."""
        from benchmarks.uninas import walk

        current = walk.start(architecture)
        limits = walk.Limits(params_max=max(self.budget, current.params))
        while (made := walk.step(current, rng, limits)) is None:
            pass
        return made.model

    def neighbours(self, architecture: Model) -> Iterator[Model]:
        """All models that differ by one node: thousands."""
        from benchmarks.uninas import walk

        return walk.neighbours(architecture)

    def costs(self, architecture: Model, dataset: str) -> Costs:
        """Closed-form parameters, multiply-accumulates and trainable parameter tensors.

        Parameters are all of them, as in the paper's tables, with the few that no gradient
        reaches; the products within attention count as multiply-accumulates. FLOPs in the
        convention of the space: `figures`.

        Raises:
            InputError: The dataset is unknown, or the model does not fit its resolution.
        """
        counts = self._at(architecture, dataset).counts()
        return Costs(params=counts.params, flops=counts.macs, layers=counts.tensors)

    def limits(self, architecture: Model, dataset: str) -> Mapping[str, float]:
        """What the limits of a search bound: `costs` at the model's own resolution and classes,
        so that scoring at a lower one leaves the budget as it is.

        Raises:
            InputError: The dataset is unknown.
        """
        self.dataset(dataset)
        counts = architecture.counts()
        return {"flops": counts.macs, "params": counts.params, "layers": counts.tensors}

    def figures(self, architecture: Model, dataset: str) -> Mapping[str, int]:
        """More than `costs` says.

        Returns:
            trainable_params, without those that no gradient reaches; flops in the convention of
            the space and the paper's tables: two for a multiply-accumulate, and elementwise
            operations of nodes; macs, what `costs` calls FLOPs.

        Raises:
            InputError: As `costs`.
        """
        counts = self._at(architecture, dataset).counts()
        return {
            "trainable_params": counts.trainable,
            "flops": counts.flops,
            "macs": counts.macs,
        }

    def network(self, architecture: Model, dataset: str) -> Network:
        """The model's network; weights as the public code draws them.

        Raises:
            InputError: The dataset is unknown, or the model does not fit its resolution.
        """
        from benchmarks.uninas.network import Network

        return Network(self._at(architecture, dataset))

    def _at(self, model: Model, dataset: str) -> Model:
        task = self.dataset(dataset)
        if (model.img_size, model.classes) == (task.resolution, task.classes):
            return model
        return replace(model, img_size=task.resolution, classes=task.classes).checked()
