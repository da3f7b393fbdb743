"""`harness train`: the last word on an architecture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from harness import api
from harness.cli import options as opt
from harness.cli.console import console, show_table

TaskName = Literal["classification", "detection", "segmentation"]


def train(
    model: Annotated[str, typer.Option(help="Cell, index, hash or structure; or a file of one")],
    data: Annotated[Path, typer.Option(help="Folder: ImageFolder, COCO or ADE20K layout")],
    out: Annotated[Path, typer.Option(help="Folder of checkpoint, weights, logs and result")],
    task: Annotated[str, typer.Option(help="classification, detection, segmentation")] = (
        "classification"
    ),
    space: Annotated[
        str | None, typer.Option(help="Its space [default: as it says or looks like]")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Published settings [default: the space's, or UniNAS's]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the protocol's")] = None,
    resolution: Annotated[
        str | None, typer.Option(help="Side in pixels, or HEIGHTxWIDTH, instead of the protocol's")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images of a GPU, instead of the protocol's")
    ] = None,
    accumulate: Annotated[
        int, typer.Option(min=1, help="GPUs that each process stands for, one after the other")
    ] = 1,
    weights: Annotated[
        Path | None, typer.Option(help="A weights.pt of the same architecture to begin with")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Weights of the teacher, where a protocol has one")
    ] = None,
    name: Annotated[str, typer.Option(help="What reports call the network")] = "",
    seed: Annotated[int, typer.Option(help="Of weights, order, augmentation")] = 0,
    device: opt.Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16")] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that load images [default: spare cores]")
    ] = None,
    checkpoint_every: Annotated[
        int, typer.Option(min=1, help="Steps between checkpoints, beside those after epochs")
    ] = 1000,
    force: opt.Force = False,
) -> None:
    """Train a network by a published protocol; run again, it goes on where it stopped."""
    result = api.train(
        model, data, out, task=cast(TaskName, task), space=space, protocol=protocol,
        epochs=epochs, resolution=None if resolution is None else opt.size_of(resolution),
        batch_size=batch_size, accumulate=accumulate, weights=weights, teacher=teacher, name=name,
        seed=seed, device=device, precision=precision, workers=workers,
        checkpoint_every=checkpoint_every, force=force,
    )  # fmt: skip
    if os.environ.get("RANK", "0") == "0":  # of several processes, one speaks
        show_table(result.title, result.cells())
        console.print(f"Written to {out}", soft_wrap=True)
