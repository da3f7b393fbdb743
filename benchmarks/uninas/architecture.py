"""UniNAS models: blocks, their places, their text, and the networks that are known points.

A model is a stem, stages of blocks and a head. A block computes x <- shortcut(x) + sub1(norm1(x)),
x <- x + sub2(norm2(x)); its two subblocks are sequences of nodes that keep the shape. The first
block of a stage halves the resolution in shortcut and norm1. Source: the UniNAS paper and its
public code.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.errors import InputError
from benchmarks.uninas import text
from benchmarks.uninas.nodes import algebra as n
from benchmarks.uninas.nodes.attention import ForkMergeAttention
from benchmarks.uninas.nodes.forks import ForkMerge
from benchmarks.uninas.nodes.layers import (
    GELU,
    BatchNorm,
    Conv1,
    Conv3,
    ConvDepth5,
    LayerNorm,
    RelPosBias,
    Softmax,
    Zero,
)
from benchmarks.uninas.nodes.resizing import AvgAndUpsample, ExpandAndReduce, ReduceAndExpand

DEPTHS = (2, 3, 5, 2)
WIDTHS = (96, 192, 384, 768)
STEM = (32, 64)
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
            unit = (Conv3(), BatchNorm(), GELU())
            return Block(unit + unit, (Zero(),))
        case "E":
            squeeze = AvgAndUpsample((ReduceAndExpand((GELU(),)),))
            excite = ForkMerge("copy", "multiply", ((), (squeeze,)))
            norm = (BatchNorm(), GELU())
            body = (*norm, ConvDepth5(), *norm, excite)
            return Block((ExpandAndReduce(body), BatchNorm()), (Zero(),))
        case "T":
            heads, rest = divmod(width, n.HEAD)
            if rest or heads not in n.HEADS:
                known = ", ".join(str(n.HEAD * heads) for heads in n.HEADS)
                raise InputError(f"a transformer block has {known} channels, not {width}")
            maps: n.Sequence = (RelPosBias(), Softmax())
            none: tuple[n.Sequence, ...] = ((),)
            attention = ForkMergeAttention(none * 3 * heads, (maps,) * heads, none * heads)
            mlp = ExpandAndReduce((LayerNorm(), GELU()), 4, "kaiming_normal_mlp")
            return Block((attention, Conv1()), (mlp,))
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

    def places(self, size: tuple[int, int] | None = None) -> Iterator[Place]:
        """Where each block stands, in order, on images of a (height, width), or of its own."""
        height, width = size or (self.img_size, self.img_size)
        c_in, h, w = self.stem[1], height // 2, width // 2
        for blocks, c in zip(self.stages, self.widths, strict=True):
            h, w = h // 2, w // 2
            for number in range(len(blocks)):
                yield Place(c_in if number == 0 else c, (c, h, w), number == 0)
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
