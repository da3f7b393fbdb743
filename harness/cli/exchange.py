"""`harness export | import-scores | compare`: scores to and from files that others use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer

from benchmarks import BENCHMARKS
from benchmarks.data import replacing
from benchmarks.errors import InputError
from benchmarks.truth import Accuracies, resolve
from benchmarks.types import Benchmark
from harness.cli.data import console, show_table
from harness.cli.options import DEFAULT_OUT, BenchmarkName, DatasetName, StoreFile

Form = Literal["table", "suite-zero", "suite-zero-csv"]
#: What a suffix means where no form is asked for, and the suffixes that each form may have.
_FORMS: dict[str, Form] = {".csv": "table", ".parquet": "table", ".json": "suite-zero"}
_SUFFIXES: dict[Form, tuple[str, ...]] = {
    "table": (".csv", ".parquet"),
    "suite-zero": (".json",),
    "suite-zero-csv": (".csv",),
}

_BatchSize = Annotated[int | None, typer.Option(help="Only scores with this batch size")]
_Input = Annotated[str | None, typer.Option("--input", help="Only scores with this input")]
_Seed = Annotated[int | None, typer.Option(help="Which seed [default: the only one]")]
_FileDataset = Annotated[
    str | None,
    typer.Option("--dataset", help="Which dataset of the file [default: the only one]"),
]
_File = Annotated[Path, typer.Argument(help="Score file: NAS-Bench-Suite-Zero .json, or .csv")]
ProxyFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--proxy-file", help="Python file that registers proxies; may be given several times"
    ),
]


def use_proxy_files(files: list[Path] | None) -> None:
    """Load the proxies of `--proxy-file`, here and in worker processes."""
    from harness.scoring import plugins

    plugins.use(files or ())


def export(
    path: Annotated[Path, typer.Argument(help="Written; .csv, .parquet or .json")],
    store: StoreFile = None,
    benchmark: BenchmarkName = "nasbench201",
    dataset: DatasetName = "cifar10",
    batch_size: _BatchSize = None,
    input_name: _Input = None,
    form: Annotated[
        Form | None,
        typer.Option(
            help="table: a row an architecture and seed; suite-zero: JSON of NAS-Bench-Suite-Zero; "
            "suite-zero-csv: net,net_str,<proxies> [default: by the name; .json is suite-zero]"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="suite-zero: which seed [default: the only one]")
    ] = None,
    truth: Annotated[
        str | None, typer.Option(help="suite-zero: accuracies to add: auto, official ...")
    ] = None,
    proxy_file: ProxyFiles = None,
) -> None:
    """Write the store's scores to a file: a table, or the forms of NAS-Bench-Suite-Zero."""
    from harness.scores.frames import export_frame

    chosen_form = form or _FORMS.get(path.suffix)
    if chosen_form is None or path.suffix not in _SUFFIXES[chosen_form]:
        suffixes = (".csv", ".parquet", ".json") if form is None else _SUFFIXES[form]
        raise InputError(
            f"cannot export to {path}: the name must end in {', '.join(suffixes[:-1])}"
            f"{' or ' if suffixes[1:] else ''}{suffixes[-1]}"
        )
    if chosen_form == "table" and (seed is not None or truth is not None):
        raise InputError("--seed and --truth go with --form suite-zero and suite-zero-csv only")
    use_proxy_files(proxy_file)
    chosen = BENCHMARKS[benchmark]
    if chosen_form != "table":
        accuracies = None if truth is None else resolve(chosen, truth, dataset).values
        ours = _ours(store, chosen, dataset, batch_size, input_name, seed, accuracies)
        from harness.scores.exchange import write_csv, write_json

        write_file = write_json if chosen_form == "suite-zero" else write_csv
        count = write_file(ours, path, chosen.space)
        console.print(f"{count:,} architectures, {len(ours.proxies)} proxies in {path}")
        return
    with _existing(store) as opened:
        frame = export_frame(opened, benchmark, dataset, batch_size=batch_size, input=input_name)
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
    console.print(f"{len(frame):,} rows, {len(frame.columns)} columns in {path}")


def _existing(store: Path | None) -> Any:
    """The store, which must be there."""
    from harness.scores.store import Store

    file = store or DEFAULT_OUT / "scores.sqlite"
    if not file.is_file():
        raise InputError(
            f"there is no score store {file}; make one with harness score --store FILE"
        )
    return Store(file)


def _ours(
    store: Path | None,
    benchmark: Benchmark,
    dataset: str,
    batch_size: int | None,
    input_name: str | None,
    seed: int | None,
    accuracies: pd.Series[float] | None = None,
) -> Any:
    """The store's scores in the form of a score file."""
    from harness.scores.exchange import of_records
    from harness.scores.frames import chosen_records

    benchmark.space.dataset(dataset)
    with _existing(store) as opened:
        records = chosen_records(
            opened, benchmark.name, dataset, batch_size=batch_size, input=input_name
        )
    return of_records(records, dataset, accuracies, seed)


def import_scores(
    file: _File,
    label: Annotated[
        str | None,
        typer.Option(help="The scores are kept as <proxy>@<label> [default: the file's name]"),
    ] = None,
    store: StoreFile = None,
    benchmark: BenchmarkName = "nasbench201",
    dataset: _FileDataset = None,
) -> None:
    """Put somebody else's scores into the store; harness eval then takes <proxy>@<label>."""
    from harness.scores.exchange import keep, label_of, read
    from harness.scores.store import Store

    chosen = BENCHMARKS[benchmark]
    label = label_of(file, label)
    theirs = read(file, chosen.space, dataset)
    with Store(store or DEFAULT_OUT / "scores.sqlite") as opened:
        names = keep(theirs, opened, chosen.name, label, file)
    failed = int((theirs.frame["status"] != "ok").sum())
    console.print(
        f"{len(theirs.frame):,} scores of {theirs.frame['arch'].nunique():,} architectures on "
        f"{theirs.dataset}{f', {failed:,} of them failures' if failed else ''}: {', '.join(names)}"
    )


def compare(
    file: _File,
    store: StoreFile = None,
    benchmark: BenchmarkName = "nasbench201",
    dataset: _FileDataset = None,
    batch_size: _BatchSize = None,
    input_name: _Input = None,
    seed: _Seed = None,
    truth: Annotated[
        str | None,
        typer.Option(help="auto, official ... [default: the best there is, else the file's own]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The table as .csv, besides")] = None,
    proxy_file: ProxyFiles = None,
) -> None:
    """Rank agreement of our scores with those in a file, proxy by proxy."""
    from harness.scores.exchange import compare as measure
    from harness.scores.exchange import read

    if out is not None and out.suffix != ".csv":
        raise InputError(f"cannot write {out}: the name must end in .csv")
    use_proxy_files(proxy_file)
    chosen = BENCHMARKS[benchmark]
    theirs = read(file, chosen.space, dataset)
    ours = _ours(store, chosen, theirs.dataset, batch_size, input_name, seed)
    accuracies, protocol = _accuracies(chosen, theirs.dataset, truth, theirs.accuracies, file)
    table = measure(ours, theirs, accuracies)
    rows = [["proxy", *(_HEADINGS[name] for name in table.columns[1:])]]
    for row in table.itertuples(index=False):
        rows.append([_cell(value) for value in row])
    show_table(f"{chosen.name} {theirs.dataset}: ours and {file.name}", rows)
    if protocol:
        console.print(f"  accuracies: {protocol}", highlight=False, soft_wrap=True)
    if out is not None:
        with replacing(out) as temporary:
            table.to_csv(temporary, index=False)
        console.print(f"Written to {out}")


_HEADINGS = {
    "n": "n",
    "spearman": "Spearman",
    "kendall_tau": "Kendall tau",
    "n_accuracy": "n with accuracy",
    "tau_ours": "tau to accuracy: ours",
    "tau_theirs": "theirs",
}


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if pd.isna(value) else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _accuracies(
    benchmark: Benchmark,
    dataset: str,
    truth: str | None,
    in_file: pd.Series[float],
    file: Path,
) -> tuple[pd.Series[float] | None, str]:
    """The accuracies that both sides are held against, and where they are from."""
    try:
        found: Accuracies = resolve(benchmark, truth or "auto", dataset)
    except InputError as error:
        if truth is not None:
            raise
        if len(in_file):
            return in_file, f"those of {file.name}"
        console.print(f"Without accuracies: {error}", soft_wrap=True)
        return None, ""
    return found.values, found.protocol
