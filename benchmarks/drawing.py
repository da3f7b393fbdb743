"""What a drawing of an architecture shows, without a word on how: values for `HasDrawing`.

Two kinds. `Blocks`: rows of boxes, for architectures of blocks, whose frames hold more boxes.
`Graph`: vertices in a row with edges between them, for cells.
`harness.report.drawings` makes a figure of either. Loads without torch and matplotlib.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Fill of boxes and vertices, by what they do; the same in all spaces.
CONVOLUTION = "#cfe2ff"
RESIZING = "#eaf2ff"
NORM = "#d5f0de"
ACTIVATION = "#ffe5c7"
POSITION = "#e9dcfb"
ATTENTION = "#f6f0fe"
NOTHING = "#f7d0cf"
OTHER = "#eceff3"


@dataclass(frozen=True, slots=True)
class Box:
    """A layer or operation.

    Attributes:
        label: Written in it.
        colour: Its fill, "#rrggbb".
        pale: It has no effect: no gradient reaches it, or its output is zero.
    """

    label: str
    colour: str = OTHER
    pale: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A box around others.

    Attributes:
        title: Written above what it holds.
        branches: What it holds, below one another.
        colour: As of `Box`.
        pale: As of `Box`.
    """

    title: str
    branches: tuple[Branch, ...]
    colour: str = OTHER
    pale: bool = False


Piece = Box | Frame


@dataclass(frozen=True, slots=True)
class Branch:
    """Pieces one behind the other; none are a line.

    Attributes:
        label: What it is for, written before it; "": nothing.
        pieces: From left to right.
    """

    label: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A part of an architecture under a caption of its own.

    Attributes:
        name: Its caption, in bold.
        text: More of the caption: its shape, its size.
        branches: What it consists of, below one another; long ones are broken.
    """

    name: str
    text: str
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """An architecture of blocks.

    Attributes:
        title: Of the whole, in bold.
        text: The line below it.
        blocks: In order.
    """

    title: str
    text: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from one vertex of a `Graph` to a later one.

    Attributes:
        source: Number of the vertex that it leaves.
        target: Number of the vertex that it enters.
        label: Its operation; "": none is written.
        colour: Behind its label, "#rrggbb".
        pale: As of `Box`.
    """

    source: int
    target: int
    label: str = ""
    colour: str = OTHER
    pale: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """An acyclic graph, its vertices in topological order.

    Attributes:
        title: Of the whole, in bold.
        text: The line below it.
        vertices: From the input to the output.
        edges: Between them.
    """

    title: str
    text: str
    vertices: tuple[Box, ...]
    edges: tuple[Edge, ...]


Drawing = Blocks | Graph
