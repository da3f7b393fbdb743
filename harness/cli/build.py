"""`harness build`: one architecture as a network, its figures, its blocks, a file of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.errors import InputError
from benchmarks.types import HasDrawing
from harness.cli.data import console, show_table

if TYPE_CHECKING:
    from harness.inspect.describe import Description


def build(
    file: Annotated[
        Path,
        typer.Argument(
            help="A winner of harness search (JSON), or a text file with one architecture: a "
            "MobileNetV2 structure string, a NAS-Bench-201 string or index, a NAS-Bench-101 hash; "
            "or a UniNAS model file"
        ),
    ],
    space: Annotated[
        str | None, typer.Option(help="Its space [default: as the file says or looks like]")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Fixes resolution and classes [default: the file's, or the space's]"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Params, FLOPs, layers ... as JSON and nothing else")
    ] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Output shape, parameters, MACs of every block")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the untrained network to a .pt2 (torch.export) or .onnx file"),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(help="Draw its blocks or graph: a .png and a .svg of this name"),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the architecture in its space's file format (uninas)")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the exported weights")] = 0,
) -> None:
    """Build the network of one architecture."""
    from harness.inspect import describe as descriptions
    from harness.inspect import network as building

    if export is not None:
        building.check_export(export)
    described = descriptions.read(file, space, dataset)
    written = [] if draw is None else _draw(described, draw)
    if save is not None:
        building.save(described, save)
        written.append(save)
    plain = building.network_of(replace(described, se=False), seed)
    network = building.network_of(described, seed) if described.se else plain
    figures = building.figures(described, plain)
    resolution = figures["resolution"]
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            shown = f"{value:,}" if type(value) is int else str(value)
            console.print(f"{name}: {shown}", highlight=False, markup=False, soft_wrap=True)
    if summary and not as_json:
        rows = [["block", "type", "output", "params", "MACs"]]
        found = building.summary(network, resolution)
        for r in found:
            sizes = f"{r.params:,}", f"{r.macs:,}"
            rows.append([r.name, r.kind, building.shape_text(r.shape), *sizes])
        total = f"{sum(r.params for r in found):,}", f"{sum(r.macs for r in found):,}"
        show_table(file.name, [*rows, ["all", "", "", *total]], text_columns=3)
    if export is not None:
        building.export(network, resolution, export)
        if not as_json:
            console.print(f"Written to {export}: untrained, seed {seed}", soft_wrap=True)
    if written and not as_json:
        console.print(f"Written to {', '.join(map(str, written))}", soft_wrap=True)


def _draw(described: Description, path: Path) -> list[Path]:
    """Draw an architecture, if its space says what there is to see.

    Raises:
        InputError: There is no drawing of the space, or the files cannot be written.
    """
    from harness.report import drawings, style

    space = described.benchmark.space
    if not isinstance(space, HasDrawing):
        raise InputError(f"there is no drawing of {described.benchmark.name} architectures")
    with style.house_style():
        return style.save(drawings.figure(space.drawing(described.architecture)), path)
