"""Size of UniNAS models and blocks, by closed formulas; equals that of the built network."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from benchmarks.uninas.architecture import Block, Model, Place
from benchmarks.uninas.nodes import algebra as n


def counts(model: Model, size: tuple[int, int] | None = None) -> n.Counts:
    """Size of a whole model.

    Args:
        model: See there.
        size: (height, width) of the images; default: the model's own square.
    """
    height, width = size or (model.img_size, model.img_size)
    total = n.Counts()
    for part in _frame(model, (height // 2) * (width // 2)):
        total += part.counts(True)
    for block, place in zip(model.blocks(), model.places(size), strict=True):
        total += block_counts(block, place)
    return total


def _frame(model: Model, pixels: int) -> Iterator[n.Part]:
    """Stem, last norm and classifier; of these only products count as FLOPs, as published."""
    yield n.convolution(3, model.stem[0], pixels, taps=9, bias=False)
    yield n.Part(2 * model.stem[0], 2)
    yield n.convolution(*model.stem, pixels, taps=9, bias=False)
    yield n.Part(2 * model.widths[-1], 2)
    yield n.convolution(model.widths[-1], model.classes, 1)


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
