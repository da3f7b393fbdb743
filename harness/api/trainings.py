"""Training of what was found, and ground truth of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.api.jobs import console_of

if TYPE_CHECKING:
    from rich.console import Console

    from harness.pipelines.truth_making import TruthMade
    from harness.pipelines.truth_scores import Scored
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
        protocol: Name of one in `harness.training.recipe`; default: of classification that of the
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


def make_truth(
    data: str | Path,
    out: str | Path,
    *,
    space: str = "nasbench201",
    cells: int | None = 50,
    set: str | None = None,
    archs: Path | Sequence[str] | None = None,
    protocol: str | None = None,
    epochs: int | None = None,
    resolution: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    seeds: int = 3,
    workers: int | None = None,
    device: str = "auto",
    retry_failed: bool = False,
    plan_only: bool = False,
    progress: bool | Console = True,
) -> TruthMade:
    """Train architectures on one's own images, into a truth table that `evaluate` takes.

    Each finished training is kept in the folder `<out>.trainings`: called again, also with more
    cells or seeds, it goes on where it stopped. The table has what this call asks for.

    Args:
        data: Folder of images (train/ and val/, or a folder a class), an .npz file of images and
            labels, or the name of an image set, "cifar10".
        out: Truth table, .csv.
        space: Whose architectures.
        cells: How many, a seeded sample; those of one seed are nested. None: the whole set.
        set: Of which architecture set; default: the benchmark's first. A space without end is drawn
            from.
        archs: Architectures instead of a sample: a file with one a line, or their names.
        protocol: Of the training; default: the benchmark's own recipe.
        epochs: Instead of the protocol's.
        resolution: Side of the images in pixels, instead of the protocol's.
        batch_size: Images of a step, instead of the protocol's.
        seed: Of the sample, and the first of the trainings.
        seeds: Trainings of each architecture, with seeds counting up.
        workers: Trainings at a time; default: one a CPU core, or one a GPU.
        device: "auto", "cpu", "cuda" (all GPUs in turn) or "cuda:N".
        retry_failed: Train again what failed before.
        plan_only: Only say what would be trained and what it could decide.
        progress: As of `harness.evaluate`.

    Returns:
        `path`, `table`, `agreement` of two trainings, and `lines` in words.

    Raises:
        InputError: Something is unknown, damaged or impossible, or `out` holds another table.
    """
    from harness.pipelines import truth_making

    choice = truth_making.TruthChoice(
        space=space, data=str(data), cells=cells, set=set,
        archs=Path(archs) if isinstance(archs, str) else archs, protocol=protocol, epochs=epochs,
        resolution=resolution, batch_size=batch_size, seed=seed, seeds=seeds, workers=workers,
        device=device, retry_failed=retry_failed,
    )  # fmt: skip
    return truth_making.make(choice, Path(out), plan_only=plan_only, console=console_of(progress))


def truth_scores(
    table: str | Path,
    out: str | Path,
    *,
    name: str = "train_little",
    dataset: str | None = None,
    seed: int | None = None,
) -> Scored:
    """Write a truth table of one's own as the scores of a proxy, "train a little".

    `import_scores` takes the file, and `evaluate` then sets it beside real proxies, with the time
    that the trainings took.

    Args:
        table: Of `make_truth`.
        out: Score file, .json; the architectures go into a list beside it, .txt.
        name: Of the proxy.
        dataset: With whose accuracies it is to be compared; default: the table's.
        seed: Of the training; default: the mean over all, and the time of all together.

    Returns:
        `scores` and `archs`, the files; `count` of architectures, `failed` of these.

    Raises:
        InputError: The table is damaged or has no such seed, or a file cannot be written.
    """
    from harness.pipelines import truth_scores as writing

    return writing.write(Path(table), Path(out), name=name, dataset=dataset, seed=seed)


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
        The table: `.table` a row a model and column, `.notes`, `.write(folder)`.

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
