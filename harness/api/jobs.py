"""The jobs: evaluate, score, tables, search, build. Each composes the stages that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from torch import Tensor, nn

    from harness.results import Built, Evaluation, Result, SearchResult, TableResult

#: A proxy by name, part ("vkdnw.entropy"), aggregate or formula; or a function that is one.
ProxyLike = str | Callable[..., Any]


def evaluate(
    proxies: ProxyLike | Sequence[ProxyLike],
    *,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    set: str | None = None,
    sample: int | str | None = None,
    sample_seed: int = 0,
    archs: Path | Sequence[str] | None = None,
    seed: int = 0,
    seeds: int = 1,
    input: str = "auto",
    batch_size: int | str | Mapping[str, int] = 64,
    workers: int | None = None,
    device: str = "auto",
    store: str | Path | None = None,
    retry_failed: bool = False,
    truth: str = "auto",
    split: str | None = None,
    epochs: int | None = None,
    drop_diverged: bool = False,
    ndcg_p: int | None = None,
    resamples: int = 1000,
    held: bool = False,
    against: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    progress: bool | Console = True,
) -> Evaluation:
    """Score what is missing, and evaluate it against trained accuracies.

    Args:
        proxies: Names, parts as "vkdnw.entropy", aggregates, formulas as
            "mine=log-rank(nwot,vkdnw)", models, or functions `f(network, batch) -> float` (see
            `register_proxy` for their options). #params, FLOPs and layers stand beside them.
        benchmark: "nasbench201", "nasbench101" ...; `list_benchmarks` shows all.
        dataset: A key of the benchmark's, "cifar10" ...; default: that of a truth table of one's
            own, else the benchmark's first.
        set: Architecture set; default: the architectures of a truth table of one's own, else the
            benchmark's first.
        sample: How many of the set, or "all"; default: all on a GPU, 300 on a CPU.
        sample_seed: Of the sample; samples of one seed are nested.
        archs: Architectures instead of a set: a file with one a line, or their names.
        seed: First seed of weights and batch.
        seeds: How many seeds, counting up.
        input: "auto" (what each proxy prefers), "gaussian", or the name of an image set.
        batch_size: Images in the batch; `{"te_nas": 32}` gives one proxy a batch of its own.
        workers: Processes; default: one a CPU core, or four a GPU.
        device: "auto", "cpu", "cuda" (all GPUs in turn) or "cuda:N".
        store: Score store; default: `harness.paths.store_file`. What is there is not scored again.
        retry_failed: Score again what raised an error before.
        truth: Source of the accuracies: "auto" (the best there is), its name, or a table file,
            also one of `make_truth`.
        split: Of the accuracies; default: what the source counts as final.
        epochs: Of the trainings; default: the full training.
        drop_diverged: Leave out architectures of which a training failed.
        ndcg_p: P of the nDCG; default: the published share of the set.
        resamples: Bootstrap resamples for the 95 % intervals.
        held: Also evaluate what else the store holds of the same request.
        against: A proxy that all others are compared with, on the page too.
        out: Folder that the result is written into; that it can be is seen before any work.
        force: Overwrite results of another protocol there.
        progress: True: shown on standard error; False: not; or a Rich console.

    Returns:
        The result: `.table`, `.scores`, `.protocol`, `.figure(name)`, `.compare(a, b)`,
        `.write(folder)`.

    Raises:
        InputError: Something is unknown, not there, or impossible; the message says what to do.
    """
    from harness.pipelines import evaluating
    from harness.results import Evaluation

    choice = _choice(
        benchmark=benchmark, dataset=evaluating.dataset_of(benchmark, truth, dataset), set=set,
        sample=sample, sample_seed=sample_seed, archs=archs, seed=seed, seeds=seeds, input=input,
        batch_size=batch_size, workers=workers, device=device, retry_failed=retry_failed,
        drop_diverged=drop_diverged,
    )  # fmt: skip
    target = None if out is None else Path(out)
    found = evaluating.evaluate(
        choice,
        names_of(proxies),
        truth=truth,
        split=split,
        epochs=epochs,
        ndcg_p=ndcg_p,
        resamples=resamples,
        held=held,
        store=store_of(store),
        out=target,
        force=force,
        console=console_of(progress),
    )
    result = Evaluation.showing(found)
    if target is not None:
        result.write(target, against=against, force=True)
    return result


def dataset_of(
    *, benchmark: str = "nasbench201", truth: str = "auto", dataset: str | None = None
) -> str:
    """The dataset that `evaluate` looks at with these arguments.

    Raises:
        InputError: The benchmark is unknown, or its truth table damaged.
    """
    from harness.pipelines import evaluating

    return evaluating.dataset_of(benchmark, truth, dataset)


def score(
    proxies: ProxyLike | Sequence[ProxyLike],
    *,
    benchmark: str = "nasbench201",
    dataset: str = "cifar10",
    set: str | None = None,
    sample: int | str | None = None,
    sample_seed: int = 0,
    archs: Path | Sequence[str] | None = None,
    seed: int = 0,
    seeds: int = 1,
    input: str = "auto",
    batch_size: int | str | Mapping[str, int] = 64,
    workers: int | None = None,
    device: str = "auto",
    store: str | Path | None = None,
    retry_failed: bool = False,
    progress: bool | Console = True,
) -> pd.DataFrame:
    """Score architectures, without looking at accuracies. Arguments as of `evaluate`.

    Returns:
        One row an architecture and seed: `arch`, `seed`, then for every proxy its score (NaN
        where it failed) and its parts as `<proxy>.<part>`.

    Raises:
        InputError: As for `evaluate`.
    """
    from harness.pipelines import scoring

    choice = _choice(
        benchmark=benchmark, dataset=dataset, set=set, sample=sample, sample_seed=sample_seed,
        archs=archs, seed=seed, seeds=seeds, input=input, batch_size=batch_size, workers=workers,
        device=device, retry_failed=retry_failed,
    )  # fmt: skip
    return scoring.score(choice, names_of(proxies), store_of(store), console_of(progress))


def score_network(
    network: nn.Module,
    proxies: ProxyLike | Sequence[ProxyLike],
    *,
    input_shape: tuple[int, ...] = (3, 32, 32),
    classes: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    weights: Literal["drawn", "kept"] = "drawn",
    images: tuple[Tensor, Tensor] | None = None,
    device: str = "cpu",
) -> pd.DataFrame:
    """Score a network of anybody's; it is left as it was.

    Args:
        network: Maps (B, *input_shape) to logits (B, classes).
        proxies: Names, parts, or functions.
        input_shape: Of one image.
        classes: Number of logits; default: as the network gives them.
        batch_size: Images in the batch of noise.
        seed: Of weights and batch.
        weights: "drawn": anew, as each proxy wants them; "kept": as they are.
        images: (B, *input_shape) inputs and (B,) targets instead of noise.
        device: "cpu", "cuda" or "cuda:N".

    Returns:
        One row a proxy, or part of one: `proxy`, `score` (NaN where there is none), `status`
        ("ok", "nan", "error", "unsupported" ...), `message`, `seconds`.

    Raises:
        InputError: A name is unknown, or the network does not take such images.
    """
    import pandas as pd

    from harness.inspect.built import Built
    from harness.scoring.modules import score_module

    if isinstance(network, Built):
        network = network.network
    found = score_module(
        network, names_of(proxies), input_shape=input_shape, classes=classes, batch_size=batch_size,
        seed=seed, weights=weights, images=images, device=device,
    )  # fmt: skip
    rows = []
    for each in found:
        said = {"status": each.status, "message": each.message, "seconds": each.seconds}
        if each.value is not None or not each.parts:
            rows.append({"proxy": each.name, "score": each.value, **said})
        rows += [
            {"proxy": f"{each.name}.{part}", "score": value, **said, "status": "ok"}
            for part, value in each.parts.items()
        ]
    frame = pd.DataFrame(rows, columns=["proxy", "score", "status", "message", "seconds"])
    return frame.astype({"score": float})


def tables(
    *,
    benchmark: str = "nasbench201",
    paper: str | None = None,
    datasets: Sequence[str] = (),
    set: str | None = None,
    sample: int | str | None = None,
    sample_seed: int = 0,
    seed: int = 0,
    seeds: int = 1,
    batch_size: int | str | Mapping[str, int] = 64,
    workers: int | None = None,
    device: str = "auto",
    store: str | Path | None = None,
    score: bool = True,
    truth: str = "auto",
    drop_diverged: bool = False,
    resamples: int = 1000,
    out: str | Path | None = None,
    force: bool = False,
    progress: bool | Console = True,
) -> TableResult:
    """Regenerate a paper's table: every method beside the published figures.

    Args:
        benchmark: Whose paper.
        paper: Its key; default: the benchmark's first.
        datasets: Which of the paper's; default: all.
        set: Architecture set; default: that of the paper.
        score: Score what is missing; False: only closed forms, and show what the store holds.

    Other arguments as of `evaluate`.

    Returns:
        The result: `.table`, `.protocol`, `.correlations`, `.cost`, `.figure(name)`,
        `.write(folder)`.

    Raises:
        InputError: There is no such paper or dataset; and as for `evaluate`.
    """
    from harness.pipelines import tabulating
    from harness.results import TableResult

    choice = _choice(
        benchmark=benchmark, set=set, sample=sample, sample_seed=sample_seed, seed=seed,
        seeds=seeds, batch_size=batch_size, workers=workers, device=device,
        drop_diverged=drop_diverged,
    )  # fmt: skip
    target = None if out is None else Path(out)
    found = tabulating.tables(
        choice,
        paper=paper,
        datasets=datasets,
        truth=truth,
        score=score,
        resamples=resamples,
        store=store_of(store),
        out=target,
        force=force,
        console=console_of(progress),
    )
    result = TableResult.showing(found)
    if target is not None:
        result.write(target, force=True)
    return result


def search(
    proxies: ProxyLike | Sequence[ProxyLike],
    *,
    space: str = "nasbench201",
    dataset: str = "cifar10",
    algorithm: str | Sequence[str] = "evolution",
    iterations: int = 1000,
    population: int = 100,
    max_flops: float | None = None,
    max_params: float | None = None,
    max_layers: float | None = None,
    seed: int = 123,
    seeds: int = 1,
    score_seed: int = 0,
    input: str = "auto",
    batch_size: int | str | Mapping[str, int] = 64,
    workers: int | None = None,
    device: str = "auto",
    store: str | Path | None = None,
    truth: str = "auto",
    out: str | Path | None = None,
    force: bool = False,
    progress: bool | Console = True,
) -> SearchResult:
    """Let proxies search, then ask for the true accuracy of what they found.

    Args:
        proxies: As for `evaluate`, models excepted; or "random", a number drawn for each
            architecture.
        space: Name of a benchmark or space.
        dataset: Its dataset key.
        algorithm: Of `harness.search.ALGORITHMS`; several are compared.
        iterations: Evaluations of each search.
        population: Architectures that compete.
        max_flops: Multiply-accumulates at most.
        max_params: Parameters at most.
        max_layers: Layers at most, as the space counts.
        seed: First seed of the searches.
        seeds: How many, counting up.
        score_seed: Seed of weights and batch of all scores.
        out: Folder that the result is written into, and that the searches are saved in: a
            stopped one goes on there. Default: nothing is kept but the scores.

    Other arguments as of `evaluate`.

    Returns:
        The result: `.table`, `.trajectory`, `.winners`, `.protocol`, `.figure()`,
        `.write(folder)`.

    Raises:
        InputError: No architecture keeps the limits; and as for `evaluate`.
    """
    from harness.pipelines import searches
    from harness.results import SearchResult

    given = {"flops": max_flops, "params": max_params, "layers": max_layers}
    wanted = searches.SearchChoice(
        proxies=names_of(proxies),
        algorithms=(algorithm,) if isinstance(algorithm, str) else tuple(algorithm),
        iterations=iterations,
        population=population,
        limits={name: most for name, most in given.items() if most is not None},
        seed=seed,
        seeds=seeds,
        truth=truth,
    )
    choice = _choice(
        benchmark=space, dataset=dataset, seed=score_seed, input=input, batch_size=batch_size,
        workers=workers, device=device,
    )  # fmt: skip
    target = None if out is None else Path(out)
    found = searches.search(
        wanted,
        choice,
        store=store_of(store),
        out=target,
        force=force,
        console=console_of(progress),
    )
    result = SearchResult.showing(found)
    if target is not None:
        result.write(target, force=True)
    return result


def build(
    architecture: str | int | Path,
    *,
    space: str | None = None,
    dataset: str | None = None,
    seed: int = 0,
) -> Built:
    """One architecture as a network.

    Args:
        architecture: A cell string, an index, a hash, a structure string; or a file: a winner of
            a search (JSON), a text file with one such name, a UniNAS model file.
        space: Default: as the file says, or the one that recognises it.
        dataset: Fixes resolution and classes; default: the file's, or the space's first.
        seed: Of the weights.

    Returns:
        `.network` (untrained, in eval mode), `.figures` (params, FLOPs, layers ...),
        `.summary()`, `.export(path)`, `.save(path)`, `.draw(path)`.

    Raises:
        InputError: It names no architecture, or one of several spaces.
    """
    from harness.inspect.built import build as make
    from harness.results import Built

    return Built.showing(make(architecture, space, dataset, seed))


def load(folder: str | Path) -> Result:
    """A result that was written into a folder.

    Raises:
        InputError: The folder holds none, or it is damaged.
    """
    from harness.results import load as read

    return read(Path(folder))


# ------------------------------------------------------------------ what all of them take


def names_of(proxies: ProxyLike | Sequence[ProxyLike]) -> list[str]:
    """Names of what is given; functions are registered."""
    given = [proxies] if isinstance(proxies, str) or callable(proxies) else list(proxies)
    if all(isinstance(each, str) for each in given):
        return [str(each) for each in given]
    from benchmarks.errors import InputError
    from harness.scoring.functions import register_function

    names: list[str] = []
    functions: dict[str, Any] = {}
    for each in given:
        if isinstance(each, str):
            names.append(each)
            continue
        name = register_function(each).name
        if functions.setdefault(name, each) is not each:
            raise InputError(f"two functions are called {name!r}; give one another name")
        names.append(name)
    return names


def _choice(*, batch_size: int | str | Mapping[str, int], **given: Any) -> Any:
    from harness.pipelines.plan import Choice

    if isinstance(given.get("archs"), str):
        given["archs"] = Path(given["archs"])
    return Choice(**given).with_batch(batch_size)


def store_of(store: str | Path | None) -> Path:
    from harness.paths import store_file

    return store_file(None if store is None else Path(store))


def console_of(progress: bool | Console) -> Console:
    from rich.console import Console

    if isinstance(progress, bool):
        return Console(stderr=True, quiet=not progress)
    return progress
