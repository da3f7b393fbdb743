"""What there is, data, score files, and the regression check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.jobs import ProxyLike, console_of, names_of, store_of

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from benchmarks.truth import TruthTable
    from harness.evaluation.evaluate import Agreement
    from harness.pipelines.check import Checked
    from harness.pipelines.exchanging import Exported
    from harness.pipelines.truths import Fetched

# ------------------------------------------------------------------ what there is


def list_proxies() -> pd.DataFrame:
    """Every proxy, aggregate and model: `kind`, `name`, `what`, `paper`, and what it sees."""
    from harness.pipelines import listing

    return listing.proxies()


def list_algorithms() -> pd.DataFrame:
    """Every search algorithm: `name`, `what`, `paper`."""
    from harness.pipelines import listing

    return listing.algorithms()


def list_benchmarks() -> pd.DataFrame:
    """Every benchmark: `datasets`, `sets` with their sizes, `truth` on this machine, `papers`."""
    from harness.pipelines import listing

    return listing.benchmarks()


def list_paths() -> pd.DataFrame:
    """Where the store, results, and data lie, and what sets it."""
    from harness.pipelines import listing

    return listing.paths()


# ------------------------------------------------------------------ ground truth and images


def list_truths() -> pd.DataFrame:
    """Every source of ground truth: `benchmark`, `truth`, `where`, `architectures`, `holds`."""
    from harness.pipelines import truths

    return truths.sources()


def list_images() -> pd.DataFrame:
    """Every image set: `images`, `where`."""
    from harness.pipelines import truths

    return truths.images()


def fetch(name: str, *, progress: bool = True) -> dict[str, Fetched]:
    """Download what a benchmark or a source of `sources.toml` names, into the cache.

    Returns:
        By source, its `path` and whether there was a hash that it was `checked` against; none
        where there is nothing to fetch.

    Raises:
        InputError: The name is unknown, the source cannot be reached, or has another hash.
    """
    from harness.pipelines import truths

    return truths.fetch(name, progress=progress)


def import_official(
    benchmark: str,
    path: str | Path,
    *,
    out: str | Path | None = None,
    progress: bool | Console = True,
) -> tuple[TruthTable, Path]:
    """Turn an official benchmark file into a compact table, once.

    Args:
        benchmark: "nasbench201" ...
        path: Official file or folder.
        out: Written instead of the cache's table (.parquet).
        progress: As of `harness.evaluate`.

    Returns:
        The table, and where it was written.

    Raises:
        InputError: The benchmark has none, or the file is damaged.
    """
    from harness.pipelines import truths

    target = None if out is None else Path(out)
    return truths.import_official(benchmark, Path(path), target, console_of(progress))


def agreement(
    *,
    benchmark: str = "nasbench201",
    dataset: str = "cifar10",
    set: str | None = None,
    first: str = "auto",
    second: str = "analog",
) -> tuple[Agreement, list[str]]:
    """How far two trainings of the same architectures agree: the ceiling of any proxy.

    Returns:
        Tau and rho with their intervals, and the two protocols.

    Raises:
        InputError: A source is not there, or both are the same trainings.
    """
    from harness.pipelines import truths

    return truths.agree(benchmark, dataset, set, first, second)


# ------------------------------------------------------------------ score files


def export_scores(
    path: str | Path,
    *,
    benchmark: str = "nasbench201",
    dataset: str = "cifar10",
    form: str | None = None,
    proxies: Sequence[str] = (),
    batch_size: int | None = None,
    input: str | None = None,
    seed: int | None = None,
    truth: str | None = None,
    store: str | Path | None = None,
) -> Exported:
    """Write the store's scores to a file: a table, or the forms of NAS-Bench-Suite-Zero.

    Args:
        path: Ending in .csv, .parquet or .json.
        benchmark: Whose.
        dataset: Its dataset key.
        form: "table" (a row an architecture and seed), "suite-zero" (JSON), "suite-zero-csv";
            default: by the ending, .json is suite-zero.
        proxies: Only these; default: all that the store holds.
        batch_size: Only scores with it.
        input: Only scores with it.
        seed: Only this seed; the suite-zero forms hold one.
        truth: Accuracies to add: "auto", a source, or a table file.
        store: Default: `harness.paths.store_file`.

    Returns:
        Number of `rows` (architectures, in the suite-zero forms) and of `proxies`, and what was
        `left_out` because its proxy file was edited since.

    Raises:
        InputError: There is nothing, several protocols and none chosen, or it cannot be written.
    """
    from harness.pipelines import exchanging

    return exchanging.export(
        Path(path), benchmark=benchmark, dataset=dataset, form=form, proxies=proxies,
        batch_size=batch_size, input=input, seed=seed, truth=truth, store=store_of(store),
    )  # fmt: skip


def import_scores(
    file: str | Path,
    *,
    label: str | None = None,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    store: str | Path | None = None,
) -> pd.DataFrame:
    """Put somebody else's scores into the store; `evaluate` then takes `<proxy>@<label>`.

    Args:
        file: NAS-Bench-Suite-Zero's JSON, or CSV.
        label: Default: the file's name.
        benchmark: Whose architectures they are.
        dataset: Which of the file's; default: the only one.
        store: Default: `harness.paths.store_file`.

    Returns:
        What was kept: `arch`, `proxy` (with its label), `score`, `status`; `attrs["dataset"]`.

    Raises:
        InputError: The file is damaged, or the store has other scores under these names.
    """
    from harness.pipelines import exchanging

    return exchanging.import_scores(
        Path(file), label=label, benchmark=benchmark, dataset=dataset, store=store_of(store)
    )


def compare_scores(
    file: str | Path,
    *,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    batch_size: int | None = None,
    input: str | None = None,
    seed: int | None = None,
    truth: str | None = None,
    store: str | Path | None = None,
    out: str | Path | None = None,
) -> pd.DataFrame:
    """Rank agreement of the store's scores with those in a score file, proxy by proxy.

    Args:
        file: NAS-Bench-Suite-Zero's JSON, or CSV.
        benchmark: Whose architectures they are.
        dataset: Which of the file's; default: the only one.
        batch_size: Only our scores with this batch size.
        input: Only our scores with this input.
        seed: Which of our seeds; default: the only one.
        truth: Accuracies; default: the best there are, else the file's own.
        store: Our scores; default: `harness.paths.store_file`.
        out: The table as .csv, besides.

    Returns:
        `proxy`, `n`, `spearman`, `kendall_tau`, and with accuracies `n_accuracy`, `tau_ours`,
        `tau_theirs`. `attrs` has `dataset`, and `accuracies`: where those are from.

    Raises:
        InputError: The file is damaged or of another benchmark, or nothing is shared.
    """
    from harness.pipelines import exchanging

    return exchanging.compare(
        Path(file), benchmark=benchmark, dataset=dataset, batch_size=batch_size, input=input,
        seed=seed, truth=truth, store=store_of(store), out=None if out is None else Path(out),
    )  # fmt: skip


# ------------------------------------------------------------------ the regression check


def check(
    proxies: ProxyLike | Sequence[ProxyLike] = (),
    *,
    baseline: str | Path | None = None,
    update: bool = False,
    workers: int | None = None,
    progress: bool | Console = True,
    on_difference: Callable[[str], None] = lambda line: None,
) -> Checked:
    """Score a fixed sample of cells and compare scores and tau with a baseline.

    Args:
        proxies: Names or functions; none: every built-in proxy and aggregate.
        baseline: File; default: the one that comes with the package, of the built-in proxies.
        update: Write the baseline.
        workers: Processes.
        progress: As of `harness.evaluate`.
        on_difference: Called with every line of what has moved, as it is found.

    Returns:
        What was measured, and what has moved.

    Raises:
        InputError: There is no baseline, it is of another protocol, or a proxy raised an error.
    """
    from harness.pipelines import check as checking

    return checking.check(
        names_of(proxies), None if baseline is None else Path(baseline), update=update,
        workers=workers, console=console_of(progress), on_difference=on_difference,
    )  # fmt: skip
