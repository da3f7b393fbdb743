"""What is to be seen of a UniNAS model: its blocks, equal ones that follow one another once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from benchmarks.drawing import Block, Blocks, Box, Branch, Frame, Piece
from benchmarks.uninas import architecture as a
from benchmarks.uninas import costs
from benchmarks.uninas.nodes import algebra as n


def drawing(model: a.Model) -> Blocks:
    """All blocks of a model; pale are nodes whose output no gradient reaches."""
    counts = costs.counts(model)
    text = (
        f"{counts.params:,} parameters, {counts.flops / 1e9:.2f} GFLOPs "
        f"at {model.img_size} px; widths {', '.join(map(str, model.widths))}"
    )
    return Blocks("UniNAS", text, tuple(_block(*run) for run in _runs(model)))


def _runs(model: a.Model) -> Iterator[tuple[str, a.Block, a.Place, int]]:
    """Name, block, place and number of equal blocks in a row, the first of a stage apart."""
    items = zip(model.blocks(), model.places(), strict=True)
    stage = -1
    number = 0
    for (block, place), run in groupby(items):
        if place.first:
            stage, number = stage + 1, 0
        count = len(list(run))
        blocks = f"block {number}" if count == 1 else f"blocks {number}–{number + count - 1}"
        yield f"Stage {stage}, {blocks}", block, place, count
        number += count


def _block(name: str, block: a.Block, place: a.Place, count: int) -> Block:
    counts = costs.block_counts(block, place)
    each = " each" if count > 1 else ""
    shape = "×".join(map(str, place.shape))
    text = f"{shape}{', halves' if place.first else ''}  ·  "
    text += f"{counts.params:,} parameters  ·  {counts.flops / 1e9:.3f} GFLOPs{each}"
    halves = ("sub 1", block.sub1), ("sub 2", block.sub2)
    return Block(name, text, tuple(Branch(label, _pieces(half)) for label, half in halves))


def _pieces(sequence: n.Sequence, live: bool = True) -> tuple[Piece, ...]:
    return tuple(map(_piece, sequence, n.liveness(sequence, live)))


def _piece(node: n.Node, live: bool) -> Piece:
    if not node.sequences:
        return Box(node.caption, node.colour, not live)
    reached = [live and each for each in node.reached()]
    items = list(zip(node.roles, node.sequences, reached, strict=True))
    # Heads that are alike are drawn once, wherever they stand; in the order of what they do.
    distinct = sorted(dict.fromkeys(items), key=lambda item: node.roles.index(item[0]))
    branches = []
    for role, sequence, alive in distinct:
        if sequence or node.shows_empty:
            times = items.count((role, sequence, alive))
            label = ", ".join([role] * bool(role) + [f"{times}×"] * (times > 1))
            branches.append(Branch(label, _pieces(sequence, alive)))
    return Frame(node.caption, tuple(branches), node.colour, not live)
