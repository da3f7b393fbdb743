"""`harness build`: one architecture as a network, its figures, its blocks, a file of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness import api
from harness.cli.console import console, show_table


def build(
    architecture: Annotated[
        str,
        typer.Argument(
            help="A NAS-Bench-201 cell string or index, a NAS-Bench-101 hash, a MobileNetV2 "
            "structure string; or a file: a winner of harness search (JSON), a text file with one "
            "of these, a UniNAS model file"
        ),
    ],
    space: Annotated[
        str | None, typer.Option(help="Its space [default: as it says or looks like]")
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
        Path | None, typer.Option(help="Draw it: a .png, .svg and .pdf of this name")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the architecture in its space's file format (uninas)")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the exported weights")] = 0,
) -> None:
    """Build the network of one architecture."""
    built = api.build(architecture, space=space, dataset=dataset, seed=seed)
    if export is not None:
        built.export(export)
    written = [] if draw is None else built.draw(draw)
    if save is not None:
        written.append(built.save(save))
    if as_json:
        print(json.dumps(built.figures, indent=2))
    else:
        for name, value in built.figures.items():
            shown = f"{value:,}" if type(value) is int else str(value)
            console.print(f"{name}: {shown}", highlight=False, markup=False, soft_wrap=True)
    if summary and not as_json:
        found = built.summary()
        rows = [["block", "type", "output", "params", "MACs"]]
        rows += [[*map(str, r[:3]), f"{r[3]:,}", f"{r[4]:,}"] for r in found.to_numpy().tolist()]
        rows.append(["all", "", "", f"{found['params'].sum():,}", f"{found['macs'].sum():,}"])
        show_table(architecture, rows, text_columns=3)
    if export is not None and not as_json:
        console.print(f"Written to {export}: untrained, seed {seed}", soft_wrap=True)
    if written and not as_json:
        console.print(f"Written to {', '.join(map(str, written))}", soft_wrap=True)
