"""Training of what was found, and ground truth of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.api.jobs import console_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from harness.results import TrainedComparison, Training


def train(
    model: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    task: Literal["classification", "detection", "segmentation"] = "classification",
    space: str | None = None,
    protocol: str | None = None,
    epochs: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    batch_size: int | None = None,
    accumulate: int = 1,
    weights: str | Path | None = None,
    teacher: str | Path | None = None,
    name: str = "",
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    checkpoint_every: int = 1000,
    force: bool = False,
    progress: bool | Console = True,
) -> Training:
    """Train a network by a published protocol; called again, it goes on where it stopped.

    In processes that `torchrun` starts, each takes its part of every step.

    Args:
        model: As of `build`: a cell string, an index, a file.
        data: Folder in the task's layout: ImageFolder, COCO, ADE20K.
        out: Folder of checkpoint, weights, logs and result.
        task: What is learned.
        space: Whose the architecture is; default: as of `build`.
        protocol: Name of `harness.training.protocols`; default: of classification that of the
            space, else UniNAS's.
        epochs: Instead of the protocol's; its warm-up and milestones move in proportion.
        resolution: Side of the images in pixels, or (height, width), instead of the protocol's.
        batch_size: Images of a GPU in a step, instead of the protocol's.
        accumulate: Parts of a step that each process computes one after the other, as so many
            GPUs would at once.
        weights: A `weights.pt` of the same architecture to begin with.
        teacher: Weights of the protocol's teacher, where they are not to be downloaded.
        name: What reports call the network.
        seed: Of weights, order of images, augmentation and all else that is random.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto" (float32 on a CPU, bfloat16 or float16 on a GPU), or one of these.
        workers: Processes that load images, of each process; default: as many as cores are left.
        checkpoint_every: Steps between checkpoints; one is written after each epoch too.
        force: Write into a folder that holds a result of another kind.
        progress: As of `evaluate`.

    Returns:
        The result: `.figures`, `.history`, `.protocol`, `.figure("curve")`, `.write(folder)`.

    Raises:
        InputError: Something is unknown, not there, or does not fit; a file is damaged; the
            folder holds another training; the loss is no finite number any more.
    """
    from harness.pipelines import training
    from harness.results import Training

    choice = training.TrainingChoice(
        task=task, model=model, data=Path(data), space=space, protocol=protocol, epochs=epochs,
        resolution=resolution, batch_size=batch_size, accumulate=accumulate,
        weights=None if weights is None else Path(weights),
        teacher=None if teacher is None else Path(teacher), name=name, seed=seed, device=device,
        precision=precision, workers=workers, every=checkpoint_every,
    )  # fmt: skip
    found = training.train(choice, Path(out), force=force, console=console_of(progress))
    result = Training.showing(found)
    if training.is_first():
        result.write(out, force=True)
    return result


def trained_table(
    name: str,
    *,
    trained: Sequence[str | Path] = (),
    out: str | Path | None = None,
    force: bool = False,
) -> TrainedComparison:
    """A paper's table of trained models, with ours beside it; empty where nothing was trained.

    Ours are the results of `train` of architectures that equal the paper's, or that are named so
    (`name=`). What was trained by another protocol is marked as such. Params and FLOPs are closed
    forms.

    Args:
        name: A benchmark with such a table: "uninas", "mobilenetv2" (`list_trained_tables`).
        trained: Folders below which results of trainings lie; default: `harness.paths.TRAINED`.
        out: Folder that the table is written to; default: none is written.
        force: Overwrite other results there.

    Returns:
        The table: `.cells` a row a model and column, `.notes`, `.write(folder)`.

    Raises:
        InputError: The table is unknown, a folder is not there or damaged, or `out` holds other
            results.
    """
    from harness.pipelines import trained as tables
    from harness.results import TrainedComparison

    found = tables.compare(name, [Path(each) for each in trained])
    result = TrainedComparison.showing(found)
    if out is not None:
        result.write(out, force=force)
    return result


def list_trained_tables() -> list[str]:
    """Names of the tables of trained models that `trained_table` takes."""
    from harness.pipelines import trained

    return trained.names()
