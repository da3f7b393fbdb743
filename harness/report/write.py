"""Folders of an evaluation: what is written, and read again to be shown without evaluating.

| file | what |
|---|---|
| `result.json` | protocol and facts, and the table to the last digit |
| `evaluation.csv`, `.md`, `.tex` | every metric with its interval; as a page; for LaTeX |
| `differences.csv` | paired differences of all pairs of proxies |
| `scores.parquet` | one row an architecture: scores and sizes, no accuracies |
| `accuracies.parquet` | one row an architecture: the accuracy; not ours to pass on |
| `tau`, `ranking`, `differences` | figures, `.png`, `.svg`, `.pdf` |
| `environment.json` | what it was computed with |
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.data import replacing
from benchmarks.errors import InputError
from harness.evaluation.result import Evaluation
from harness.report import folders, plots, style, tables

KIND = "evaluation"
#: Proxies that the figure of all pairs stays legible for.
_LEGIBLE = 25


# ------------------------------------------------------------------ as data


def save(result: Evaluation, folder: Path) -> list[Path]:
    """Write a result as data, each file whole or not at all.

    Args:
        result: What to write.
        folder: Made where it is not there.

    Returns:
        The files.
    """
    # evaluation.csv is rounded; figures drawn again are to be the same to the last digit.
    table = result.table.to_csv(index=False, lineterminator="\n").splitlines()
    written = folders.write(folder, KIND, result.facts, list(result.protocol), table=table)
    written.append(folders.text(folder / "evaluation.csv", tables.evaluation_csv(result.table)))
    if len(result.scores):
        scores = result.scores.drop(columns="accuracy")
        written.append(_parquet(folder / "scores.parquet", scores))
    if result.has_accuracies:
        accuracies = result.scores[["arch", "accuracy"]].dropna()
        written.append(_parquet(folder / "accuracies.parquet", accuracies))
    if _compared(result):
        differences = result.comparisons().to_csv(index=False, lineterminator="\n")
        written.append(folders.text(folder / "differences.csv", differences))
    else:  # those of an earlier result would be read as this one's
        for stale in folder.glob("differences.*"):
            stale.unlink()
    return written


def load(folder: Path) -> Evaluation:
    """A result that `save` wrote.

    Without `accuracies.parquet` its accuracies are NaN, without `scores.parquet` it has no
    scores; what needs them then says so.

    Raises:
        InputError: There is none in the folder, or it is damaged or of a later format.
    """
    held = folders.read(folder)
    try:
        if held["kind"] != KIND:
            raise ValueError(f"it is of the kind {held['kind']}")
        table = _read_csv("\n".join(held["table"]))
        protocol, facts = tuple(map(str, held["protocol"])), dict(held["facts"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / folders.FILE} describes no evaluation ({type(error).__name__}: {error}); "
            "evaluate again"
        ) from error
    scores = _read_parquet(folder / "scores.parquet")
    if scores is None:
        scores = pd.DataFrame({"arch": []})
    else:
        accuracies = _read_parquet(folder / "accuracies.parquet")
        known = pd.Series(dtype=float)
        if accuracies is not None:
            known = accuracies.set_index("arch")["accuracy"]
        place = int(scores.columns.get_indexer(pd.Index(["params"]))[0])
        scores.insert(place, "accuracy", scores["arch"].map(known).astype(float))
    differences = folder / "differences.csv"
    pairs = _read_csv(differences.read_text(encoding="utf-8")) if differences.is_file() else None
    return Evaluation(table, scores, protocol, facts, pairs)


#: Columns of text; all others are numbers.
_NAMES = ("proxy", "truth", "a", "b", "metric")


def _read_csv(text: str) -> pd.DataFrame:
    """A frame that was written as CSV with all digits, to the last one."""
    frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    return frame.assign(
        **{str(name): _numbers(frame[name]) for name in frame if name not in _NAMES}
    )


def _numbers(column: pd.Series[str]) -> pd.Series[int] | pd.Series[float]:
    if column.str.fullmatch(r"-?\d+").all():
        return column.map(int)
    return column.map(lambda text: float(text or "nan"))


def _read_parquet(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); evaluate again") from error


def _parquet(path: Path, frame: pd.DataFrame) -> Path:
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False, compression="zstd")
    return path


# ------------------------------------------------------------------ as figures


def _tau(result: Evaluation) -> Figure:
    given = result.facts.get("ceiling")
    ceiling = None if given is None else (given[0], given[1], given[2])
    return plots.evaluation_figure(result.table, result.baselines, result.title, ceiling)


def _ranking(result: Evaluation) -> Figure | None:
    if not result.has_accuracies:
        return None
    taus = dict(zip(result.table["proxy"], result.table["kendall_tau"], strict=True))
    others = [name for name in result.ranked if name not in result.baselines]
    panels = {}
    for name in others or result.ranked:
        first = result.scores_of(name).values.iloc[:, 0].to_numpy()
        rows = result.scores[~pd.isna(first) & result.scores["accuracy"].notna()]
        panels[name] = (
            first[rows.index],
            rows["accuracy"].to_numpy(),
            rows["params"].to_numpy(),
        )
    return plots.ranking_figure(panels, taus, result.title)


def _differences(result: Evaluation) -> Figure | None:
    if not _compared(result):
        return None
    best = result.table.sort_values("kendall_tau", ascending=False, kind="stable")
    order = list(map(str, best["proxy"]))[:_LEGIBLE]
    pairs = result.comparisons()
    pairs = pairs[pairs["a"].isin(order) & pairs["b"].isin(order)]
    return plots.difference_figure(pairs, result.title, order=order)


def _compared(result: Evaluation) -> bool:
    """Whether proxies are compared: there is more than one beside the baselines."""
    if result.pairs is not None:
        return True
    others = [name for name in result.ranked if name not in result.baselines]
    return result.has_accuracies and len(others) > 1


#: Makes a figure of a result, or None where it has nothing to show or not what it needs.
FIGURES: Mapping[str, Callable[[Evaluation], Figure | None]] = MappingProxyType(
    {"tau": _tau, "ranking": _ranking, "differences": _differences}
)


def available(result: Evaluation) -> list[str]:
    """Names of the figures that the result has the data for."""
    has = {"ranking": result.has_accuracies, "differences": _compared(result)}
    return [name for name in FIGURES if has.get(name, True)]


def figure(result: Evaluation, name: str) -> Figure:
    """A figure of a result.

    Args:
        result: Shown.
        name: Of `FIGURES`.

    Raises:
        InputError: There is no such figure, or the result has not what it needs.
    """
    if name not in FIGURES:
        raise InputError(f"unknown figure {name!r}; there are: {', '.join(FIGURES)}")
    with style.house_style():
        made = FIGURES[name](result)
    if made is None:
        raise InputError(
            f"this result has no figure {name!r}: it needs scores and accuracies"
            + (", of two proxies beside the baselines" if name == "differences" else "")
        )
    return made


# ------------------------------------------------------------------ as a folder


def write_evaluation(result: Evaluation, folder: Path, *, against: str | None = None) -> list[Path]:
    """Write the tables and figures of a result, from the result alone.

    A figure that needs scores or accuracies which the result lacks is left as it is.

    Args:
        result: Shown.
        folder: Made where it is not there.
        against: Show on the page how all proxies compare with this one.

    Returns:
        The files.

    Raises:
        InputError: `against` is none of the result's proxies.
    """
    written, shown = [], []
    for name, make in FIGURES.items():
        with style.house_style():
            made = make(result)
            if made is not None:
                written += style.save(made, folder / name)
        if made is not None or (folder / f"{name}.png").is_file():
            shown.append(f"{name}.png")
    page = tables.evaluation_markdown(result.table, result.protocol, shown)
    if against is not None:
        compared = tables.comparison_markdown(result.comparisons(against), against)
        page = f"{page}\n{compared}\n"
    written.append(folders.text(folder / "evaluation.csv", tables.evaluation_csv(result.table)))
    written.append(folders.text(folder / "evaluation.md", page))
    latex = tables.evaluation_latex(result.table, result.protocol)
    written.append(folders.text(folder / "evaluation.tex", latex))
    return written
