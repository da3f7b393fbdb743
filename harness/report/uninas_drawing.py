"""A UniNAS model drawn block by block: nodes from left to right, branches below one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from benchmarks.uninas import nodes as n
from benchmarks.uninas.space import Block, Model, Place, block_counts
from harness.report import style

# All lengths are in inches.
_HEIGHT, _GAP, _PAD, _CHARACTER = 0.26, 0.14, 0.09, 0.066
_CAPTION, _LINE, _ROW, _LEFT = 0.27, 0.12, 0.3, 0.5
_WIDEST = 15.0

_LABELS: dict[type[n.Node], str] = {
    n.Conv1: "1×1", n.Conv3: "3×3", n.ConvDepth3: "depth 3×3", n.ConvDepth5: "depth 5×5",
    n.BatchNorm: "BN", n.LayerNorm: "LN", n.Sigmoid: "sigmoid", n.Softmax: "softmax",
    n.Dropout: "dropout", n.MaxPool: "max 3×3", n.Mask: "band", n.RelPosBias: "rel. bias",
    n.Identity: "identity", n.Zero: "zero",
}  # fmt: skip
_COLOURS: dict[type[n.Node], str] = {
    **dict.fromkeys((n.Conv1, n.Conv3, n.ConvDepth3, n.ConvDepth5), "#cfe2ff"),
    **dict.fromkeys((n.ExpandAndReduce, n.ReduceAndExpand), "#eaf2ff"),
    **dict.fromkeys((n.BatchNorm, n.LayerNorm), "#d5f0de"),
    **dict.fromkeys((n.GELU, n.Sigmoid, n.Softmax), "#ffe5c7"),
    **dict.fromkeys((n.Mask, n.RelPosBias), "#e9dcfb"),
    n.ForkMergeAttention: "#f6f0fe",
    n.Zero: "#f7d0cf",
}
_OTHER = "#eceff3"
_ORDER = ("q", "k", "v", "map", "head", "", "gate")


@dataclass(frozen=True)
class _Piece:
    """Something laid out; `paint(axes, x, y)` draws it from x on, its line at height y."""

    width: float
    height: float
    paint: Callable[[Axes, float, float], None]


def model_figure(model: Model, title: str = "") -> Figure:
    """All blocks of a model; equal ones that follow one another are drawn once.

    Nodes are boxes, those that hold others are frames around them; an empty branch is a line.
    Pale are nodes whose output no gradient reaches.

    Args:
        model: The architecture.
        title: Above it.
    """
    rows = [row for run in _runs(model) for row in _row(*run)]
    width = max([piece.width for _, piece in rows] + [7.0]) + _LEFT + 0.1
    counts = model.counts()
    head = (
        f"{counts.params:,} parameters, {counts.flops / 1e9:.2f} GFLOPs "
        f"at {model.img_size} px; widths {', '.join(map(str, model.widths))}"
    )
    height = 0.7 + sum(space + piece.height for space, piece in rows)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(-height, 0)
    axes.set_axis_off()
    axes.text(0.1, -0.14, title or "UniNAS", va="center", weight="bold", color=style.INK)
    axes.text(0.1, -0.38, head, va="center", fontsize=8.5, color=style.INK)
    y = -0.5
    for space, piece in rows:
        y -= space
        piece.paint(axes, 0.1, y - piece.height / 2)
        y -= piece.height
    return figure


def _runs(model: Model) -> Iterator[tuple[str, Block, Place, int]]:
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


def _row(name: str, block: Block, place: Place, count: int) -> Iterator[tuple[float, _Piece]]:
    """(space above, piece) of a block: its caption, then the lines of its two subblocks."""
    counts = block_counts(block, place)
    each = " each" if count > 1 else ""
    shape = "×".join(map(str, place.shape))
    text = f"{shape}{', halves' if place.first else ''}  ·  "
    text += f"{counts.params:,} parameters  ·  {counts.flops / 1e9:.3f} GFLOPs{each}"

    def caption(axes: Axes, x: float, y: float) -> None:
        axes.plot([x, axes.get_xlim()[1] - 0.1], [y + 0.16] * 2, color="#d9dce1", lw=0.7)
        said = axes.text(x, y, name, va="center", weight="bold", fontsize=9, color=style.INK)
        axes.annotate(
            text, (1, 0.5), xycoords=said, xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=8.5, color=style.INK,
        )  # fmt: skip

    yield _ROW - 0.1, _Piece(len(name + text) * _CHARACTER, _CAPTION, caption)
    for label, sequence in (("sub 1", block.sub1), ("sub 2", block.sub2)):
        pieces = [_node(*each) for each in zip(sequence, n.liveness(sequence), strict=True)]
        lines: list[list[_Piece]] = [[]]
        for piece in pieces:
            if lines[-1] and _chain(lines[-1]).width + _GAP + piece.width > _WIDEST:
                lines.append([])
            lines[-1].append(piece)
        for index, line in enumerate(lines):
            chain = _chain(line)
            yield _LINE, _labelled(label if index == 0 else "…", chain)


def _labelled(label: str, chain: _Piece) -> _Piece:
    def paint(axes: Axes, x: float, y: float) -> None:
        axes.text(x + 0.04, y, label, va="center", fontsize=8, color=style.MUTED)
        chain.paint(axes, x + _LEFT, y)

    return _Piece(chain.width + _LEFT, chain.height, paint)


# ------------------------------------------------------------------ nodes


def _chain(pieces: list[_Piece], *, arrow: bool = True) -> _Piece:
    """Pieces on one line; of none, the line. A frame draws the arrow itself, to its end."""
    width = sum(piece.width for piece in pieces) + _GAP * (len(pieces) + 1)
    height = max([piece.height for piece in pieces] + [0.16])

    def paint(axes: Axes, x: float, y: float) -> None:
        if arrow:
            _arrow(axes, x, x + width, y)
        x += _GAP
        for piece in pieces:
            piece.paint(axes, x, y)
            x += piece.width + _GAP

    return _Piece(width, height, paint)


def _arrow(axes: Axes, start: float, end: float, y: float) -> None:
    axes.plot([start, end], [y, y], color=style.MUTED, lw=0.8, zorder=1, solid_capstyle="butt")
    axes.plot(end - 0.02, y, marker=">", ms=2.6, color=style.MUTED, zorder=1)


def _box(
    axes: Axes, node: n.Node, x: float, y: float, width: float, height: float, live: bool
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=_COLOURS.get(type(node), _OTHER), edgecolor=style.INK if live else "#c3c7cd",
            lw=0.6, zorder=2, alpha=1.0 if live else 0.55,
        )
    )  # fmt: skip


def _node(node: n.Node, live: bool) -> _Piece:
    if node.sequences:
        return _frame(node, live)
    label = _LABELS.get(type(node), node.name)
    width = max(0.3, len(label) * _CHARACTER + 0.1)
    colour = style.INK if live else style.MUTED

    def paint(axes: Axes, x: float, y: float) -> None:
        _box(axes, node, x, y, width, _HEIGHT, live)
        middle = x + width / 2
        axes.text(middle, y, label, ha="center", va="center", fontsize=7.5, color=colour, zorder=4)

    return _Piece(width, _HEIGHT, paint)


def _frame(node: n.Node, live: bool) -> _Piece:
    """A node around the sequences that it holds, equal ones of one role once."""
    roles = _roles(node)
    reached = [live and each for each in node.reached()]
    items = list(zip(roles, node.sequences, reached, strict=True))
    # Heads that are alike are drawn once, wherever they stand; in the order of what they do.
    distinct = sorted(dict.fromkeys(items), key=lambda item: _ORDER.index(item[0]))
    if isinstance(node, n.ForkMergeAttention):
        distinct = [item for item in distinct if item[1]]
    branches: list[tuple[str, _Piece]] = []
    for role, sequence, alive in distinct:
        times = items.count((role, sequence, alive))
        label = role
        if times > 1 and role:
            label = f"{role}, {times}×"
        elif times > 1:
            label = f"{times}×"
        pieces = zip(sequence, n.liveness(sequence, alive), strict=True)
        branches.append((label, _chain([_node(*piece) for piece in pieces], arrow=False)))
    title = _title(node)
    label_width = max([len(label) * _CHARACTER * 0.9 for label, _ in branches] + [0.0])
    inner = max([piece.width for _, piece in branches] + [0.0])
    width = max(label_width + inner + 2 * _PAD, len(title) * _CHARACTER * 0.95 + 2 * _PAD)
    body = sum(piece.height for _, piece in branches) + 0.05 * max(0, len(branches) - 1)
    height = max(body + 0.19 + _PAD, _HEIGHT)

    def paint(axes: Axes, x: float, y: float) -> None:
        _box(axes, node, x, y, width, height, live)
        top = y + height / 2
        colour = style.INK if live else style.MUTED
        axes.text(
            x + _PAD, top - 0.1, title, va="center", fontsize=6.8, color=colour, zorder=4,
            style="italic",
        )  # fmt: skip
        at = top - 0.19
        for label, piece in branches:
            at -= piece.height / 2
            axes.text(x + _PAD, at, label, va="center", fontsize=6.8, color=colour, zorder=4)
            raised = _Raised(axes)
            _arrow(axes, x + _PAD + label_width, x + width - _PAD / 2, at)
            piece.paint(axes, x + _PAD + label_width, at)
            raised.lift()
            at -= piece.height / 2 + 0.05

    return _Piece(width, height, paint)


class _Raised:
    """Puts what is drawn after it above what was drawn before it."""

    def __init__(self, axes: Axes) -> None:
        self._axes, self._before = axes, set(axes.get_children())

    def lift(self) -> None:
        """Raise all that has come since by one layer of nodes."""
        for artist in self._axes.get_children():
            if artist not in self._before:
                artist.set_zorder(artist.get_zorder() + 3)


def _roles(node: n.Node) -> list[str]:
    if isinstance(node, n.ForkMergeAttention):
        h = node.heads
        return ["q", "k", "v"] * h + ["map"] * h + ["head"] * h
    if isinstance(node, n.ForkMerge) and node.merge == "matmul":
        return ["q", "k", "v", "map"]
    if isinstance(node, n.ForkMerge) and node.merge == "multiply":
        return ["", "gate"]
    return [""] * len(node.sequences)


def _title(node: n.Node) -> str:
    match node:
        case n.ExpandAndReduce(factor=factor):
            return f"expand {factor}×"
        case n.ReduceAndExpand(factor=factor):
            return f"reduce {factor}×"
        case n.AvgAndUpsample():
            return "global average"
        case n.ForkMerge(fork=fork, merge=merge):
            return f"{fork} / {merge}" if fork else "branch"
        case n.ForkMergeAttention():
            return f"attention, {node.heads} heads"
    return node.name
