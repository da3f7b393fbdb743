"""`harness build`: one architecture as a network, its figures, its blocks, a file of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from harness.cli_data import console, show_table


def build(
    file: Annotated[
        Path,
        typer.Argument(
            help="A winner of harness search (JSON), or a text file with one architecture: a "
            "MobileNetV2 structure string, a NAS-Bench-201 string or index, a NAS-Bench-101 hash"
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
    seed: Annotated[int, typer.Option(help="Of the exported weights")] = 0,
) -> None:
    """Build the network of one architecture."""
    from harness import building, descriptions

    if export is not None:
        building.check_export(export)
    described = descriptions.read(file, space, dataset)
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
