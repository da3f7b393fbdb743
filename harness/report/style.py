"""One look for all figures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.data import replacing

INK = "#222222"
MUTED = "#8a8f98"
ACCENT = "#1f6feb"
BASELINE = "#9aa0a6"
CEILING = "#c2410c"
AGGREGATE = "#0f8a5f"
BETTER = "#1f6feb"
WORSE = "#c2410c"
MODEL = "#8250df"
SIZE_MAP = "viridis"

#: Pixels of a figure's width at most.
WIDEST = 1700
_DPI = 160
#: Endings of a figure's files; what a file says of its making is left out, so that the same figure
#: is the same file.
_FORMATS: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}

_RC: dict[Any, object] = {
    "figure.dpi": 100,
    "savefig.dpi": _DPI,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#e4e6ea",
    "legend.frameon": False,
    "svg.hashsalt": "nas-proxy-harness",  # the same figure is the same file
}


class Picture(Figure):
    """A figure that a notebook shows, whether matplotlib's pyplot is there or not."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=_DPI / 2, bbox_inches="tight")
        return content.getvalue()


@contextmanager
def house_style() -> Iterator[None]:
    """Figures made inside look alike, and need no screen."""
    with mpl.rc_context(_RC):
        yield


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG, SVG and PDF, each whole or not at all.

    Args:
        figure: What to write.
        path: Without an ending.

    Returns:
        The files.
    """
    written = []
    # Wide figures would be megabytes; rasterised points in an SVG follow the same number.
    dpi = min(_DPI, WIDEST / figure.get_figwidth())
    for ending, metadata in _FORMATS.items():
        target = path.with_suffix(ending)
        with replacing(target) as temporary:
            figure.savefig(
                temporary, format=ending[1:], metadata=metadata, bbox_inches="tight", dpi=dpi
            )
        written.append(target)
    return written
