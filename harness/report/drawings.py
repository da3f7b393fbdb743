"""Figures of architectures, from what `benchmarks.drawing` says is to be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from benchmarks.drawing import Block, Blocks, Box, Branch, Drawing, Edge, Frame, Graph, Piece
from harness.report import style

# All lengths are in inches.
_HEIGHT, _GAP, _PAD, _CHARACTER = 0.26, 0.14, 0.09, 0.066
_CAPTION, _LINE, _ROW, _LEFT = 0.27, 0.12, 0.3, 0.5
_WIDEST = 15.0
#: Of graphs: between the middles of vertices, and how high an edge arches for each vertex passed.
_STEP, _ARCH = 1.3, 0.34


def figure(drawing: Drawing) -> Figure:
    """A drawing as a figure.

    Of `Blocks`, pieces stand from left to right, branches below one another; frames are drawn
    around what they hold, an empty branch is a line. Of a `Graph`, vertices stand in a row, and
    edges that pass over some arch, in turn above and below.
    """
    return _graph(drawing) if isinstance(drawing, Graph) else _blocks(drawing)


# ------------------------------------------------------------------ blocks


@dataclass(frozen=True)
class _Laid:
    """Something laid out; `paint(axes, x, y)` draws it from x on, its line at height y."""

    width: float
    height: float
    paint: Callable[[Axes, float, float], None]


def _blocks(drawing: Blocks) -> Figure:
    rows = [row for block in drawing.blocks for row in _rows(block)]
    width = max([laid.width for _, laid in rows] + [7.0]) + _LEFT + 0.1
    height = 0.7 + sum(space + laid.height for space, laid in rows)
    made, axes = _page(drawing, width, height)
    y = -0.5
    for space, laid in rows:
        y -= space
        laid.paint(axes, 0.1, y - laid.height / 2)
        y -= laid.height
    return made


def _page(drawing: Drawing, width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure with the title and text of a drawing; its axes are in inches."""
    made = style.Picture(figsize=(width, height))
    axes = made.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(-height, 0)
    axes.set_axis_off()
    axes.text(0.1, -0.14, drawing.title, va="center", weight="bold", color=style.INK)
    axes.text(0.1, -0.38, drawing.text, va="center", fontsize=8.5, color=style.INK)
    return made, axes


def _rows(block: Block) -> Iterator[tuple[float, _Laid]]:
    """(space above, what is laid out) of a block: its caption, then its branches."""

    def caption(axes: Axes, x: float, y: float) -> None:
        axes.plot([x, axes.get_xlim()[1] - 0.1], [y + 0.16] * 2, color="#d9dce1", lw=0.7)
        said = axes.text(x, y, block.name, va="center", weight="bold", fontsize=9, color=style.INK)
        axes.annotate(
            block.text, (1, 0.5), xycoords=said, xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=8.5, color=style.INK,
        )  # fmt: skip

    yield _ROW - 0.1, _Laid(len(block.name + block.text) * _CHARACTER, _CAPTION, caption)
    for branch in block.branches:
        lines: list[list[_Laid]] = [[]]
        for laid in map(_piece, branch.pieces):
            if lines[-1] and _chain(lines[-1]).width + _GAP + laid.width > _WIDEST:
                lines.append([])
            lines[-1].append(laid)
        for index, line in enumerate(lines):
            yield _LINE, _labelled(branch.label if index == 0 else "…", _chain(line))


def _labelled(label: str, chain: _Laid) -> _Laid:
    def paint(axes: Axes, x: float, y: float) -> None:
        axes.text(x + 0.04, y, label, va="center", fontsize=8, color=style.MUTED)
        chain.paint(axes, x + _LEFT, y)

    return _Laid(chain.width + _LEFT, chain.height, paint)


def _chain(pieces: list[_Laid], *, arrow: bool = True) -> _Laid:
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

    return _Laid(width, height, paint)


def _arrow(axes: Axes, start: float, end: float, y: float) -> None:
    axes.plot([start, end], [y, y], color=style.MUTED, lw=0.8, zorder=1, solid_capstyle="butt")
    axes.plot(end - 0.02, y, marker=">", ms=2.6, color=style.MUTED, zorder=1)


def _outline(axes: Axes, piece: Piece, x: float, y: float, width: float, height: float) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=piece.colour, edgecolor="#c3c7cd" if piece.pale else style.INK,
            lw=0.6, zorder=2, alpha=0.55 if piece.pale else 1.0,
        )
    )  # fmt: skip


def _ink(piece: Piece | Edge) -> str:
    return style.MUTED if piece.pale else style.INK


def _piece(piece: Piece) -> _Laid:
    return _frame(piece) if isinstance(piece, Frame) else _box(piece)


def _box(box: Box) -> _Laid:
    width = max(0.3, len(box.label) * _CHARACTER + 0.1)

    def paint(axes: Axes, x: float, y: float) -> None:
        _outline(axes, box, x, y, width, _HEIGHT)
        axes.text(
            x + width / 2, y, box.label, ha="center", va="center", fontsize=7.5, color=_ink(box),
            zorder=4,
        )  # fmt: skip

    return _Laid(width, _HEIGHT, paint)


def _frame(frame: Frame) -> _Laid:
    """A frame around its branches."""
    branches = [(branch.label, _inner(branch)) for branch in frame.branches]
    label_width = max([len(label) * _CHARACTER * 0.9 for label, _ in branches] + [0.0])
    inner = max([laid.width for _, laid in branches] + [0.0])
    width = max(label_width + inner + 2 * _PAD, len(frame.title) * _CHARACTER * 0.95 + 2 * _PAD)
    body = sum(laid.height for _, laid in branches) + 0.05 * max(0, len(branches) - 1)
    height = max(body + 0.19 + _PAD, _HEIGHT)
    colour = _ink(frame)

    def paint(axes: Axes, x: float, y: float) -> None:
        _outline(axes, frame, x, y, width, height)
        top = y + height / 2
        axes.text(
            x + _PAD, top - 0.1, frame.title, va="center", fontsize=6.8, color=colour, zorder=4,
            style="italic",
        )  # fmt: skip
        at = top - 0.19
        for label, laid in branches:
            at -= laid.height / 2
            axes.text(x + _PAD, at, label, va="center", fontsize=6.8, color=colour, zorder=4)
            raised = _Raised(axes)
            _arrow(axes, x + _PAD + label_width, x + width - _PAD / 2, at)
            laid.paint(axes, x + _PAD + label_width, at)
            raised.lift()
            at -= laid.height / 2 + 0.05

    return _Laid(width, height, paint)


def _inner(branch: Branch) -> _Laid:
    return _chain([_piece(piece) for piece in branch.pieces], arrow=False)


class _Raised:
    """Puts what is drawn after it above what was drawn before it."""

    def __init__(self, axes: Axes) -> None:
        self._axes, self._before = axes, set(axes.get_children())

    def lift(self) -> None:
        """Raise all that has come since by one layer of nodes."""
        for artist in self._axes.get_children():
            if artist not in self._before:
                artist.set_zorder(artist.get_zorder() + 3)


# ------------------------------------------------------------------ graphs


def _graph(drawing: Graph) -> Figure:
    boxes = [_box(vertex) for vertex in drawing.vertices]
    longest = max([len(edge.label) for edge in drawing.edges])
    step = max(_STEP, max(box.width for box in boxes) + longest * _CHARACTER + 0.5)
    middles = [0.25 + boxes[0].width / 2 + step * number for number in range(len(boxes))]
    heights = _heights(drawing.edges)
    above = max([0.0, *heights.values()]) + 0.2
    below = -min([0.0, *heights.values()]) + 0.2
    width = max(7.0, middles[-1] + boxes[-1].width / 2 + 0.25)
    made, axes = _page(drawing, width, 0.6 + above + _HEIGHT + below)
    y = -0.5 - above - _HEIGHT / 2
    for edge, height in heights.items():
        start, end = middles[edge.source], middles[edge.target]
        if height:
            at = y + (_HEIGHT / 2 if height > 0 else -_HEIGHT / 2)
            # Apart from one another where one edge enters a vertex and another leaves it.
            _edge(axes, edge, (start + 0.06, at), (end - 0.06, at), height)
        else:
            start, end = start + boxes[edge.source].width / 2, end - boxes[edge.target].width / 2
            _edge(axes, edge, (start, y), (end, y), height)
    for middle, box in zip(middles, boxes, strict=True):
        box.paint(axes, middle - box.width / 2, y)
    return made


def _heights(edges: Iterable[Edge]) -> dict[Edge, float]:
    """How high each edge arches: the more vertices it passes, in turn above and below 0."""
    heights, sign = {}, 1
    for edge in sorted(edges, key=lambda e: (e.target - e.source, e.source)):
        passed = edge.target - edge.source - 1
        heights[edge] = sign * _ARCH * passed
        sign = -sign if passed else sign
    return heights


def _edge(
    axes: Axes, edge: Edge, start: tuple[float, float], end: tuple[float, float], height: float
) -> None:
    """An arrow that rises to `height` (below 0: falls) between its ends, with its label there."""
    # A quadratic curve reaches half of what its control point does: arc3's `rad` times the chord.
    bend = -2 * height / (end[0] - start[0])
    axes.add_patch(
        FancyArrowPatch(
            start, end, connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>", mutation_scale=7,
            shrinkA=0, shrinkB=0, lw=0.8, color="#c3c7cd" if edge.pale else style.MUTED,
            linestyle=":" if edge.pale else "-", zorder=1,
        )
    )  # fmt: skip
    if edge.label:
        axes.text(
            (start[0] + end[0]) / 2, start[1] + height, edge.label, ha="center", va="center",
            fontsize=7, color=_ink(edge), zorder=4,
            bbox={"boxstyle": "round,pad=0.2", "fc": edge.colour, "ec": "none",
                  "alpha": 0.55 if edge.pale else 1.0},
        )  # fmt: skip
