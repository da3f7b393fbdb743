"""`harness truth ...`: ground truth of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import api
from harness.cli import options as opt
from harness.cli.console import console

app = typer.Typer(help="Ground truth of your own: train, compare.", no_args_is_help=True)


@app.command()
def make(
    data: Annotated[
        str,
        typer.Option(
            help="Folder with train/ and val/ or a folder a class; an .npz of images and labels; "
            "or an image set, as cifar10"
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Truth table (.csv); trainings are kept in OUT.trainings")
    ],
    space: Annotated[str, typer.Option(help="nasbench201, mobilenetv2, ...")] = "nasbench201",
    cells: Annotated[
        int, typer.Option(min=3, help="How many architectures; samples of a seed are nested")
    ] = 50,
    set_name: opt.SetName = None,
    archs: Annotated[
        Path | None, typer.Option(help="File with one architecture a line, instead of a sample")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the protocol's")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each architecture")] = 3,
    seed: Annotated[int, typer.Option(help="Of the sample, and the first of the trainings")] = 0,
    resolution: Annotated[
        int | None, typer.Option(help="Pixels a side, instead of the protocol's")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images of a step, instead of the protocol's")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Published settings [default: the benchmark's own]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trainings at a time [default: CPU cores, or 1 a GPU]")
    ] = None,
    device: opt.Device = "auto",
    retry_failed: Annotated[bool, typer.Option(help="Train again what failed before")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what it would train, and what that decides")
    ] = False,
) -> None:
    """Train a sample of architectures on your images; harness eval --truth OUT takes the table.

    Run again, it goes on where it stopped, also with more cells or seeds.
    """
    api.make_truth(
        data, out, space=space, cells=cells, set=set_name, archs=archs, protocol=protocol,
        epochs=epochs, resolution=resolution, batch_size=batch_size, seed=seed, seeds=seeds,
        workers=workers, device=device, retry_failed=retry_failed, plan_only=plan,
        progress=console,
    )  # fmt: skip


@app.command()
def scores(
    table: Annotated[Path, typer.Argument(help="Truth table of harness truth make")],
    out: Annotated[Path, typer.Option(help="Score file (.json); architectures go beside it, .txt")],
    name: Annotated[str, typer.Option(help="What the proxy is called")] = "train_little",
    dataset: Annotated[
        str | None,
        typer.Option(help="With whose accuracies it is compared [default: the table's]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="One training of each [default: the mean over all]")
    ] = None,
) -> None:
    """Short trainings as a proxy, "train a little", beside those that train nothing."""
    found = api.truth_scores(table, out, name=name, dataset=dataset, seed=seed)
    without = f", {found.failed:,} of them without a score" if found.failed else ""
    which = "" if found.benchmark == "nasbench201" else f" --benchmark {found.benchmark}"
    console.print(
        f"Written to {found.scores}: {found.count:,} architectures{without}; their list to "
        f"{found.archs}\n"
        f"next: harness import-scores {found.scores}{which}\n"
        f"      harness eval {name}@{found.scores.stem} nwot vkdnw --archs {found.archs} "
        f"--dataset {found.dataset}{which}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
