"""Where everything lies: the score store, results, downloads and imported tables.

| what | where | set by |
|---|---|---|
| score store | one file a user | `HARNESS_STORE`, `--store` |
| results that may be overwritten | `./harness-out` | `--out` names a folder that is kept |
| downloads, imported tables | the user's cache folder | `HARNESS_CACHE` |
| data of the user's own | | `HARNESS_DATA` |
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from benchmarks import BENCHMARKS
from benchmarks.data import cache_folder, folders

__all__ = [
    "BASELINE",
    "SCRATCH",
    "TRAINED",
    "cache_folder",
    "evaluation_folder",
    "folders",
    "search_folder",
    "store_file",
    "tables_folder",
    "trained_folder",
]

#: Where results go that nobody gave a place: each run may overwrite those of the one before.
SCRATCH = Path("harness-out")
#: Where trainings are looked for that are to stand beside a paper's.
TRAINED = (Path("results"), Path("trained"), SCRATCH)
#: The regression check's baseline; it travels with the package.
BASELINE = Path(__file__).parent / "pipelines" / "baseline.json"


def store_file(named: Path | None = None) -> Path:
    """The score store: the one named, that of HARNESS_STORE, or the user's own.

    A store is one for all benchmarks and folders, so that nothing is ever scored twice.
    """
    if named is not None:
        return named
    variable = os.environ.get("HARNESS_STORE")
    if variable:
        return Path(variable)
    return Path(platformdirs.user_data_path("nas-proxy-harness")) / "scores.sqlite"


def evaluation_folder(out: Path, benchmark: str, dataset: str, label: str = "") -> Path:
    """Where an evaluation is written; `label` tells apart several of one dataset."""
    return out / BENCHMARKS[benchmark].name / dataset / label


def tables_folder(out: Path, benchmark: str, paper: str | None = None) -> Path:
    """Where a paper's table is written; the paper by its key, None: the benchmark's first."""
    chosen = BENCHMARKS[benchmark]
    return out / chosen.name / (paper or next(iter(chosen.papers), "table"))


def search_folder(out: Path, space: str, dataset: str) -> Path:
    """Where searches of a space are written."""
    return out / BENCHMARKS[space].name / dataset / "search"


def trained_folder(out: Path, benchmark: str, key: str) -> Path:
    """Where a table of trained models is written."""
    return out / BENCHMARKS[benchmark].name / "trained" / key
