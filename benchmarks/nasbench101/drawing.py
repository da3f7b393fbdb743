"""What is to be seen of a NAS-Bench-101 cell: its graph, an operation in each vertex."""

from __future__ import annotations

from benchmarks import drawing as d
from benchmarks.nasbench101.architecture import INPUT, OUTPUT, Cell

_SHOWN = {
    INPUT: ("input", d.OTHER),
    OUTPUT: ("output", d.OTHER),
    "conv3x3-bn-relu": ("3×3", d.CONVOLUTION),
    "conv1x1-bn-relu": ("1×1", d.CONVOLUTION),
    "maxpool3x3": ("max 3×3", d.POSITION),
}


def drawing(cell: Cell) -> d.Graph:
    """The cell's graph, in the vertex order that the benchmark trained."""
    edges = tuple(
        d.Edge(source, target)
        for target in range(len(cell.ops))
        for source in cell.predecessors(target)
    )
    return d.Graph("NAS-Bench-101", cell.id, tuple(d.Box(*_SHOWN[op]) for op in cell.ops), edges)
