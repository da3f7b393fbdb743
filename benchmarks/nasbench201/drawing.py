"""What is to be seen of a NAS-Bench-201 cell: four nodes, an operation on each edge."""

from __future__ import annotations

from benchmarks import drawing as d
from benchmarks.nasbench201.architecture import EDGES, Cell

_SHOWN = {
    "none": ("none", d.NOTHING),
    "skip_connect": ("skip", d.OTHER),
    "nor_conv_1x1": ("1×1", d.CONVOLUTION),
    "nor_conv_3x3": ("3×3", d.CONVOLUTION),
    "avg_pool_3x3": ("avg 3×3", d.POSITION),
}


def drawing(cell: Cell) -> d.Graph:
    """The cell's graph; pale are edges that lie on no path from its input to its output."""
    used = cell.used
    edges = []
    for (source, target), op in zip(EDGES, cell.ops, strict=True):
        label, colour = _SHOWN[op]
        edges.append(d.Edge(source, target, label, colour, (source, target) not in used))
    vertices = tuple(d.Box(name) for name in ("input", "1", "2", "output"))
    return d.Graph("NAS-Bench-201", cell.id, vertices, tuple(edges))
