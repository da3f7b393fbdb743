"""The published mutation of MobileNetV2 structures, and walks by it."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from benchmarks.mobilenetv2.architecture import (
    KNOWN,
    RESIDUAL_TYPES,
    Block,
    Convolution,
    Residual,
    Structure,
    round8,
)

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


def sample(rng: random.Random) -> Structure:
    """The end of a random walk of `SAMPLE_STEPS` mutations from the initial structure.

    Not uniform, which in a space without end nothing is.
    """
    structure = KNOWN["initial"]
    for _ in range(SAMPLE_STEPS):
        structure = mutate_times(structure, rng, 1)
    return structure


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
