"""The MobileNetV2 space: structures, their strings, their mutation and their size.

A structure is a row of superblocks, written `Type(arguments)` one behind the other: a stem
`SuperConvK3BNRELU(in,out,stride,sublayers)`, inverted residuals `SuperResIDWE6K3(in,out,stride,
bottleneck,sublayers)` of expansion 1, 2, 4 or 6 and kernel 3, 5 or 7, and a last convolution; a
linear classifier follows. Each sublayer of inverted residuals is two residual units, in ->
bottleneck -> out. Lin et al., "Zen-NAS", ICCV 2021 (arXiv:2102.01063), searched by ZiCo
(arXiv:2301.11300), AZ-NAS (arXiv:2403.19232) and VKDNW (arXiv:2502.04975) as it stands here.

This module knows no network and loads without torch.
"""

from __future__ import annotations

import difflib
import functools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from benchmarks.errors import InputError
from benchmarks.types import Costs, Dataset

if TYPE_CHECKING:
    from benchmarks.mobilenetv2.network import Network

#: Expansion and kernel of the twelve types of inverted residuals, in the published order.
RESIDUAL_TYPES = tuple((e, k) for k in (3, 5, 7) for e in (1, 2, 4, 6))
CONVOLUTION_KERNELS = (1, 3, 5, 7)
#: How often the published mutation draws each of `RESIDUAL_TYPES`: its list of candidates is
#: appended to itself while it grows, so that the first types stand in it most often.
PUBLISHED_WEIGHTS = (12, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)
#: Factors by which a mutation changes numbers of channels.
MULTIPLIERS = (2.5, 2, 1.5, 1.25, 1, 1 / 1.25, 1 / 1.5, 1 / 2, 1 / 2.5)
#: A superblock of so many sublayers is split in two.
SPLIT_AT = 6
#: Mutations between the initial structure and a sample.
SAMPLE_STEPS = 20

Weights = Literal["published", "uniform"]

_STRUCTURE = re.compile(r"\s*[A-Za-z]\w*\(")
_BLOCK = re.compile(r"\s*(\w+)\(([^()]*)\)")
_CONVOLUTION = re.compile(r"SuperConvK(\d)BNRELU")
_RESIDUAL = re.compile(r"SuperResIDWE(\d)K(\d)")
_LARGEST = 65_536
_TYPES = [
    *(f"SuperConvK{k}BNRELU" for k in CONVOLUTION_KERNELS),
    *(f"SuperResIDWE{e}K{k}" for e, k in RESIDUAL_TYPES),
]


def round8(x: float) -> int:
    """The nearest multiple of 8, at least 8; halves go to the even multiple, as published.

    >>> [round8(x) for x in (1, 12, 20, 28)]
    [8, 16, 16, 32]
    """
    return max(8, 8 * round(x / 8))


# ------------------------------------------------------------------ structures


@dataclass(frozen=True, slots=True, order=True)
class Convolution:
    """A superblock of convolutions, each with batch norm and ReLU.

    Attributes:
        kernel: Side of the kernels: 1, 3, 5 or 7.
        c_in: Channels that it takes.
        c_out: Channels that it gives.
        stride: Of the first convolution.
        sublayers: Number of convolutions.
    """

    kernel: int
    c_in: int
    c_out: int
    stride: int
    sublayers: int

    @property
    def type(self) -> str:
        """Its type in the string."""
        return f"SuperConvK{self.kernel}BNRELU"

    def __str__(self) -> str:
        return f"{self.type}({self.c_in},{self.c_out},{self.stride},{self.sublayers})"


@dataclass(frozen=True, slots=True, order=True)
class Residual:
    """A superblock of inverted residuals, two units a sublayer.

    Attributes:
        expansion: Channels of the depthwise convolution over those of the unit's output.
        kernel: Side of the depthwise kernels.
        c_in: Channels that it takes.
        c_out: Channels that it gives.
        stride: Of the first unit.
        bottleneck: Channels between the two units of a sublayer.
        sublayers: Number of pairs of units.
    """

    expansion: int
    kernel: int
    c_in: int
    c_out: int
    stride: int
    bottleneck: int
    sublayers: int

    @property
    def type(self) -> str:
        """Its type in the string."""
        return f"SuperResIDWE{self.expansion}K{self.kernel}"

    def __str__(self) -> str:
        arguments = self.c_in, self.c_out, self.stride, self.bottleneck, self.sublayers
        return f"{self.type}({','.join(map(str, arguments))})"

    def units(self) -> Iterator[Unit]:
        """Its residual units in order."""
        c_in, stride = self.c_in, self.stride
        for number in range(2 * self.sublayers):
            c_out = self.c_out if number % 2 else self.bottleneck
            projects = number == 0 or stride > 1 or c_in != c_out
            yield Unit(c_in, round8(c_out * self.expansion), c_out, self.kernel, stride, projects)
            c_in, stride = c_out, 1


@dataclass(frozen=True, slots=True)
class Unit:
    """One inverted residual: 1x1 expansion, depthwise k x k, 1x1 projection, shortcut.

    Attributes:
        c_in: Channels that it takes.
        hidden: Channels of its depthwise convolution.
        c_out: Channels that it gives.
        kernel: Side of the depthwise kernel.
        stride: Of the depthwise convolution and of the shortcut.
        projects: Whether the shortcut is a convolution; else it is the identity.
    """

    c_in: int
    hidden: int
    c_out: int
    kernel: int
    stride: int
    projects: bool

    @property
    def squeezed(self) -> int:
        """Channels in the middle of its squeeze-and-excitation, a quarter."""
        return max(1, round(self.hidden / 4))


Block = Convolution | Residual


@dataclass(frozen=True, slots=True, order=True)
class Structure:
    """One architecture: superblocks, each taking the channels that the one before gives.

    >>> Structure.parse("SuperConvK3BNRELU(stem|3,8,2,1)SuperConvK1BNRELU(8,64,1,1)").id
    'SuperConvK3BNRELU(3,8,2,1)SuperConvK1BNRELU(8,64,1,1)'
    """

    blocks: tuple[Block, ...]

    @classmethod
    def parse(cls, text: str) -> Structure:
        """Read a structure string; a block may carry a name, `Type(name|arguments)`.

        Raises:
            InputError: The string is malformed, a block type is unknown, a number is out of
                range, or a block does not take what the one before it gives.
        """
        text = text.strip()
        blocks: list[Block] = []
        position = 0
        while position < len(text) or not blocks:
            found = _BLOCK.match(text, position)
            if found is None:
                raise InputError(
                    f"malformed MobileNetV2 structure at position {position}, "
                    f"{text[position : position + 24]!r}: expected a block such as {INITIAL[0]}"
                )
            start = found.start(1)
            try:
                block = _block(found[1], found[2].rpartition("|")[2].split(","))
                _check_chain(blocks, block)
            except ValueError as error:
                token = f"{found[1]}({found[2]})"
                raise InputError(
                    f"MobileNetV2 structure, block {len(blocks) + 1} at position {start}, "
                    f"{token[:100]!r}: {error}"
                ) from error
            blocks.append(block)
            position = found.end()
        return cls(tuple(blocks))

    @property
    def id(self) -> str:
        """The structure string without names: the key of scores."""
        return str(self)

    def __str__(self) -> str:
        return "".join(map(str, self.blocks))

    @property
    def layers(self) -> int:
        """The published number of layers: sublayers of all superblocks."""
        return sum(block.sublayers for block in self.blocks)


def _block(type_: str, arguments: Sequence[str]) -> Block:
    convolution, residual = _CONVOLUTION.fullmatch(type_), _RESIDUAL.fullmatch(type_)
    if type_ not in _TYPES:
        near = difflib.get_close_matches(type_, _TYPES, n=1)
        raise ValueError(
            f"unknown block type {type_!r}{f'; did you mean {near[0]!r}?' if near else ';'} known: "
            "SuperConvK{1,3,5,7}BNRELU, SuperResIDWE{1,2,4,6}K{3,5,7}"
        )
    wanted = "in,out,stride,sublayers" if convolution else "in,out,stride,bottleneck,sublayers"
    if len(arguments) != wanted.count(",") + 1:
        raise ValueError(f"takes ({wanted}), not {len(arguments)} arguments")
    numbers = []
    for name, digits in zip(wanted.split(","), map(str.strip, arguments), strict=True):
        number = int(digits) if digits.isdecimal() and len(digits) < 7 else 0
        if not 1 <= number <= (2 if name == "stride" else _LARGEST):
            allowed = "1 or 2" if name == "stride" else f"a number in 1..{_LARGEST}"
            raise ValueError(f"{name} must be {allowed}, not {digits!r}")
        numbers.append(number)
    if convolution:
        return Convolution(int(convolution[1]), *numbers)
    assert residual is not None
    return Residual(int(residual[1]), int(residual[2]), *numbers)


def _check_chain(before: Sequence[Block], block: Block) -> None:
    given = before[-1].c_out if before else 3
    if block.c_in != given:
        giver = f"the block before it gives {given}" if before else "images have 3"
        raise ValueError(f"takes {block.c_in} channels, but {giver}; write {given} as the first")


#: Where the published searches begin, whatever their budget.
INITIAL = (
    Convolution(3, 3, 8, 2, 1),
    Residual(6, 3, 8, 32, 2, 8, 1),
    Residual(6, 3, 32, 48, 2, 32, 1),
    Residual(6, 3, 48, 96, 2, 48, 1),
    Residual(6, 3, 96, 128, 2, 96, 1),
    Convolution(1, 128, 2048, 1, 1),
)
#: Published structures: where searches begin, and what ZiCo's found under 450M FLOPs.
KNOWN: Mapping[str, Structure] = MappingProxyType(
    {
        "initial": Structure(INITIAL),
        "zico-450M": Structure(
            (
                Convolution(3, 3, 16, 2, 1),
                Residual(1, 7, 16, 40, 2, 40, 1),
                Residual(2, 7, 40, 80, 2, 64, 1),
                Residual(4, 7, 80, 96, 2, 96, 5),
                Residual(2, 7, 96, 224, 2, 224, 5),
                Convolution(1, 224, 2048, 1, 1),
            )
        ),
    }
)


# ------------------------------------------------------------------ mutation


def mutate_times(
    structure: Structure, rng: random.Random, times: int, weights: Weights = "published"
) -> Structure:
    """The structure with `times` random blocks mutated; a block drawn twice is mutated once.

    The published mutation: the index of a block is uniform over all. The last block, if it
    is a convolution, never changes; another convolution gets new output channels; inverted
    residuals get a new type, output channels, bottleneck and number of sublayers at once, their
    stride stays. Then each block takes what the one before it gives, and a superblock of
    `SPLIT_AT` or more sublayers is split in two. The result may be the structure itself.

    Args:
        structure: Its parent.
        rng: Draws.
        times: How many blocks.
        weights: Of the twelve types: "published" (`PUBLISHED_WEIGHTS`), or "uniform".
    """
    blocks = list(structure.blocks)
    for index in sorted({rng.randrange(len(blocks)) for _ in range(times)}):
        block = blocks[index]
        if isinstance(block, Residual):
            drawn = PUBLISHED_WEIGHTS if weights == "published" else None
            ((expansion, kernel),) = rng.choices(RESIDUAL_TYPES, drawn)
            blocks[index] = replace(
                block,
                expansion=expansion,
                kernel=kernel,
                c_out=rng.choice(channel_choices(block.c_out)),
                bottleneck=rng.choice(channel_choices(block.bottleneck)),
                sublayers=rng.choice(_sublayer_choices(block.sublayers)),
            )
        elif index < len(blocks) - 1:
            blocks[index] = replace(block, c_out=rng.choice(channel_choices(block.c_out)))
    return _chained(blocks)


@functools.cache
def channel_choices(channels: int) -> tuple[int, ...]:
    """Numbers of channels that a mutation draws from, each once, descending.

    >>> channel_choices(8), channel_choices(48)
    ((16, 8), (120, 96, 72, 64, 48, 40, 32, 24, 16))
    """
    return tuple(sorted({round8(channels * m) for m in MULTIPLIERS}, reverse=True))


def _sublayer_choices(sublayers: int) -> range:
    return range(max(1, sublayers - 2), sublayers + 3)


def _chained(blocks: Sequence[Block]) -> Structure:
    """Each block takes what the one before it gives; long ones are split."""
    made: list[Block] = []
    c_in = blocks[0].c_in
    for block in blocks:
        chained = block if block.c_in == c_in else replace(block, c_in=c_in)
        c_in = block.c_out
        if block.sublayers < SPLIT_AT:
            made.append(chained)
            continue
        half = SPLIT_AT // 2
        made.append(replace(chained, sublayers=half))
        made.append(replace(chained, c_in=c_in, stride=1, sublayers=block.sublayers - half))
    return Structure(tuple(made))


def neighbours(structure: Structure) -> Iterator[Structure]:
    """All structures that mutating one block can give, without the structure itself."""
    for index, block in enumerate(structure.blocks):
        for other in _mutations(block, last=index == len(structure.blocks) - 1):
            made = _chained([*structure.blocks[:index], other, *structure.blocks[index + 1 :]])
            if made != structure:
                yield made


def _mutations(block: Block, *, last: bool) -> Iterator[Block]:
    if isinstance(block, Convolution):
        for c_out in () if last else channel_choices(block.c_out):
            yield replace(block, c_out=c_out)
        return
    for expansion, kernel in RESIDUAL_TYPES:
        for c_out in channel_choices(block.c_out):
            for bottleneck in channel_choices(block.bottleneck):
                for n in _sublayer_choices(block.sublayers):
                    yield Residual(
                        expansion, kernel, block.c_in, c_out, block.stride, bottleneck, n
                    )


# ------------------------------------------------------------------ size


@dataclass(frozen=True, slots=True)
class Counts:
    """Sizes of a network or of a part of it.

    Attributes:
        params: Trainable parameters.
        flops: Multiply-accumulates of convolutions and linear layers for one image, and one
            addition for each value that has a bias.
        tensors: Parameter tensors.
        search_flops: The published counter: batch norms count one a value, and the shortcut's
            convolution is divided by the square of its stride twice.
        search_size: The published counter: batch norms count one a channel, the classifier's
            bias one in all.
    """

    params: int = 0
    flops: int = 0
    tensors: int = 0
    search_flops: float = 0.0
    search_size: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.params + other.params,
            self.flops + other.flops,
            self.tensors + other.tensors,
            self.search_flops + other.search_flops,
            self.search_size + other.search_size,
        )


#: A resolution as the network has it (convolutions round up), and as the published counters.
_Sides = tuple[int, int]


def counts(structure: Structure, resolution: int, classes: int, *, se: bool = False) -> Counts:
    """Size of the structure's network by closed formulas, true and published.

    Args:
        structure: The structure.
        resolution: Side of the images in pixels.
        classes: Number of logits.
        se: Whether its units have squeeze-and-excitation.
    """
    total, sides = Counts(), (resolution, resolution)
    for block in structure.blocks:
        part, sides = _block_counts(block, sides, se)
        total += part
    width = structure.blocks[-1].c_out
    weights = width * classes
    return total + Counts(weights + classes, weights + classes, 2, weights, weights + 1)


@functools.lru_cache(maxsize=65_536)
def _block_counts(block: Block, sides: _Sides, se: bool) -> tuple[Counts, _Sides]:
    total = Counts()
    if isinstance(block, Convolution):
        c_in, stride = block.c_in, block.stride
        for _ in range(block.sublayers):
            part, sides = _convolution(c_in, block.c_out, block.kernel, sides, stride)
            total += part
            c_in, stride = block.c_out, 1
        return total, sides
    for unit in block.units():
        part, sides = _unit(unit, sides, se)
        total += part
    return total, sides


def _unit(unit: Unit, sides: _Sides, se: bool) -> tuple[Counts, _Sides]:
    expand, sides = _convolution(unit.c_in, unit.hidden, 1, sides)
    depthwise, given = _convolution(
        unit.hidden, unit.hidden, unit.kernel, sides, unit.stride, groups=unit.hidden
    )
    project, _ = _convolution(unit.hidden, unit.c_out, 1, given)
    total = expand + depthwise + project
    if se:
        weights = 2 * unit.hidden * unit.squeezed
        params = weights + 2 * unit.hidden + 2 * unit.squeezed
        scaled = unit.hidden + unit.hidden * given[1] ** 2
        total += Counts(params, weights, 6, weights + scaled, params)
    if unit.projects:
        weights = unit.c_in * unit.c_out + unit.c_out
        total += Counts(
            params=weights + 2 * unit.c_out,
            flops=weights * given[0] ** 2,
            tensors=4,
            search_flops=weights * (given[1] / unit.stride) ** 2,
            search_size=weights,
        )
    return total, given


def _convolution(
    c_in: int, c_out: int, kernel: int, sides: _Sides, stride: int = 1, groups: int = 1
) -> tuple[Counts, _Sides]:
    """A convolution without bias, and its batch norm."""
    read, published = sides
    given = -(-read // stride), published // stride
    weights = c_in // groups * c_out * kernel**2
    part = Counts(
        params=weights + 2 * c_out,
        flops=weights * given[0] ** 2,
        tensors=3,
        search_flops=weights * (published / stride) ** 2 + c_out * given[1] ** 2,
        search_size=weights + c_out,
    )
    return part, given


# ------------------------------------------------------------------ the space

_DATASET = re.compile(r"imagenet(?:-(\d{1,4}))?(?:-(\d{1,5}))?")
_RESOLUTION, _CLASSES = 224, 1000


@functools.cache
def _dataset(name: str) -> Dataset:
    found = _DATASET.fullmatch(name)
    if found is None:
        raise InputError(f"unknown MobileNetV2 dataset {name!r}; {_DATASETS}")
    resolution, classes = int(found[1] or _RESOLUTION), int(found[2] or _CLASSES)
    if resolution % 32 or not resolution or classes < 2:
        raise InputError(f"there is no MobileNetV2 dataset {name!r}; {_DATASETS}")
    own = "imagenet"
    if (resolution, classes) != (_RESOLUTION, _CLASSES):
        own += f"-{resolution}" + (f"-{classes}" if classes != _CLASSES else "")
    if name != own:  # one name a dataset: it is part of the key of scores
        raise InputError(f"the MobileNetV2 dataset {name!r} is called {own!r}")
    return Dataset(name, classes, resolution, images=(), split="val")


_DATASETS = (
    "use imagenet (224 px, 1000 classes) or imagenet-RESOLUTION[-CLASSES], such as imagenet-96 or "
    "imagenet-64-10, the resolution a multiple of 32"
)


class MobileNetV2Space:
    """The MobileNetV2 space as a `benchmarks.types.SearchSpace`.

    The space has no end: its one set is that of published structures.
    """

    #: Any other resolution and number of classes is a dataset too: see `dataset`.
    datasets: Mapping[str, Dataset] = MappingProxyType(
        {name: _dataset(name) for name in ("imagenet", "imagenet-96", "imagenet-64-10")}
    )
    sets = ("known",)
    initial = KNOWN["initial"]

    def dataset(self, name: str) -> Dataset:
        """The task called `name`: "imagenet", or "imagenet-RESOLUTION[-CLASSES]".

        Raises:
            InputError: The name is of neither form, or another name is that task's.
        """
        return _dataset(name)

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
        """The end of a random walk of `SAMPLE_STEPS` mutations from the initial structure.

        Not uniform, which in a space without end nothing is.
        """
        structure = self.initial
        for _ in range(SAMPLE_STEPS):
            structure = self.mutate(structure, rng)
        return structure

    def mutate(
        self, architecture: Structure, rng: random.Random, weights: Weights = "published"
    ) -> Structure:
        """One published mutation (`mutate_times`); may be the architecture itself."""
        return mutate_times(architecture, rng, 1, weights)

    def mutate_times(self, architecture: Structure, rng: random.Random, times: int) -> Structure:
        """Several published mutations at once (`mutate_times`)."""
        return mutate_times(architecture, rng, times)

    def neighbours(self, architecture: Structure) -> Iterator[Structure]:
        """All that one mutation can give: thousands (`neighbours`)."""
        return neighbours(architecture)

    def counts(self, architecture: Structure, dataset: str, *, se: bool = False) -> Counts:
        """Size at a dataset's resolution and classes, true and published (`counts`).

        Raises:
            InputError: The dataset is unknown.
        """
        task = _dataset(dataset)
        return counts(architecture, task.resolution, task.classes, se=se)

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
        _dataset(dataset)
        size = counts(architecture, _RESOLUTION, _CLASSES)
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

        return Network(architecture, _dataset(dataset).classes)

    def network_with_se(self, architecture: Structure, dataset: str) -> Network:
        """The same with squeeze-and-excitation in every unit, as in the papers' final training.

        Raises:
            InputError: The dataset is unknown.
        """
        from benchmarks.mobilenetv2.network import Network

        return Network(architecture, _dataset(dataset).classes, se=True)
