"""Ground truth of NAS-Bench-101: the table imported from an official file, and JSON files.

JSON files, known by their content; accuracies of the first two are fractions:
- the public sample `data-20k.json`: columns `key` (module hashes) and
  `{4,12,36,108}_final_validation_accuracy`, one training each;
- a dump of the official API: `{hash: {epochs: [metrics, ...]}}` (its `computed_statistics`), or
  `{hash: [fixed, {epochs: [metrics, ...]}]}` (its `get_metrics_from_hash`); metrics are named
  `final_test_accuracy`, `halfway_validation_accuracy` ...;
- NAS-Bench-Suite-Zero: `{"cifar10": {"(0, 1, ...)": {"val_accuracy": percent, ...}}}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import data
from benchmarks.errors import InputError
from benchmarks.imported import ImportedWideTable
from benchmarks.nasbench101 import enumeration
from benchmarks.nasbench101.official import DATASET, EPOCHS, NAME, TRAININGS
from benchmarks.nasbench101.space import NASBench101Space
from benchmarks.tables import COLUMNS, Table, WideTable, wide_column
from benchmarks.types import TruthSource

#: What `harness data fetch nasbench101` downloads: the sample, and the smaller official file.
FETCHES = ("nasbench101_20k", "nasbench101_only108")

_MAX_BYTES = 1 << 30
_REMEDY = "the file is damaged or of another kind: fetch or export it again"
_HASH = re.compile(r"[0-9a-f]{32}")
_SAMPLE_SPLIT = "final_validation_accuracy"
_SUITE_ZERO = "val_accuracy"
#: Metrics of the official API -> our split.
_METRICS = {
    f"{when}_{theirs}_accuracy": f"{ours}{half}"
    for when, half in (("final", ""), ("halfway", "-half"))
    for theirs, ours in (("train", "train"), ("validation", "valid"), ("test", "test"))
}

#: Architecture, epochs, split, seed, accuracy in percent.
_Row = tuple[str, int, str, str, float]


def read_json(path: Path) -> Table:
    """Accuracies of a JSON file in one of the forms above.

    Raises:
        InputError: The file has none of these forms, a hash is no cell's, a cell stands twice,
            an accuracy is out of range. The message names file, entry and value.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path} has more than {_MAX_BYTES:,} bytes; import an official file")
        content = data.parse_json(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}; {_REMEDY}") from error
    try:
        what, rows = _rows(content)
        frame = pd.DataFrame(rows, columns=["arch", "epochs", "split", "seed", "accuracy"])
        if frame.empty:
            raise ValueError("it holds no accuracy")
        _check_hashes(frame["arch"])
    except ValueError as error:
        raise InputError(f"{path}: {error}; {_REMEDY}") from error
    frame = frame.assign(dataset=DATASET)[list(COLUMNS)]
    for column in ("arch", "dataset", "split", "seed"):
        frame = frame.assign(**{column: frame[column].astype("category")})
    source = f"{path.name} ({what}, {frame['arch'].nunique():,} of {enumeration.SIZE:,} cells)"
    return Table(NAME, source, TRAININGS, frame).validated(path)


def _rows(content: Any) -> tuple[str, Iterator[_Row]]:
    """What kind of file it is, in words, and its rows."""
    if isinstance(content, dict) and content:
        if "key" in content:
            return "public sample", _sample_rows(content)
        content = content.get("computed_statistics", content)
        content = next((v for k, v in content.items() if _folded(k) == DATASET), content)
        first = next(iter(content), "") if isinstance(content, dict) else ""
        if _HASH.fullmatch(first):
            return "dump of the official API", _api_rows(content)
        if first.startswith("("):
            return "NAS-Bench-Suite-Zero", _suite_zero_rows(content)
    raise ValueError(
        "neither the public sample (a list `key`), nor an object of module hashes, nor "
        f'{{"{DATASET}": {{"(0, 1, ...)": {{"{_SUITE_ZERO}": ...}}}}}}'
    )


def _folded(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()


def _sample_rows(content: Mapping[str, Any]) -> Iterator[_Row]:
    keys = content["key"]
    columns = {f"{epochs}_{_SAMPLE_SPLIT}": epochs for epochs in EPOCHS}
    held = {name: epochs for name, epochs in columns.items() if name in content}
    if not held:
        raise ValueError(f"no column {' or '.join(columns)}")
    for name in ("key", *held):
        if not isinstance(content[name], list) or len(content[name]) != len(keys):
            raise ValueError(f"column {name} is no list as long as `key`")
    for name, epochs in held.items():
        for arch, value in zip(keys, content[name], strict=True):
            yield arch, epochs, "valid", "single", _percent(value, 100, f"{arch}, {name}")


def _api_rows(content: Mapping[str, Any]) -> Iterator[_Row]:
    for arch, entry in content.items():
        computed = entry[1] if isinstance(entry, list) and len(entry) == 2 else entry
        if not isinstance(computed, dict):
            raise ValueError(f"{arch} is no object of epochs")
        for text, trainings in computed.items():
            if text not in map(str, EPOCHS) or not isinstance(trainings, list):
                raise ValueError(f"{arch}, {text[:40]!r}: expected a list at one of {EPOCHS}")
            for seed, metrics in enumerate(trainings):
                if not isinstance(metrics, dict) or not metrics.keys() & _METRICS.keys():
                    raise ValueError(f"{arch}, {text} epochs: no final_test_accuracy or the like")
                for name, split in _METRICS.items():
                    if name in metrics:
                        value = _percent(metrics[name], 100, f"{arch}, {text} epochs, {name}")
                        yield arch, int(text), split, str(seed), value


def _suite_zero_rows(content: Mapping[str, Any]) -> Iterator[_Row]:
    space = NASBench101Space()
    for codes, entry in content.items():
        if not isinstance(entry, dict):
            raise ValueError(f"{codes[:200]} is no object")
        if _SUITE_ZERO in entry:
            value = _percent(entry[_SUITE_ZERO], 1, f"{codes[:200]}, {_SUITE_ZERO}")
            yield space.parse(codes).id, EPOCHS[-1], "valid", "single", value


def _percent(value: object, scale: float, where: str) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not 0 <= value <= 100 / scale:  # type: ignore[operator]
        raise ValueError(f"{where}: accuracy {str(value)[:40]} is not in 0..{100 / scale:g}")
    return scale * float(value)  # type: ignore[arg-type]


def _check_hashes(archs: pd.Series[Any]) -> None:
    known = set(enumeration.enumeration().hashes)
    for arch in archs:
        good = isinstance(arch, str) and _HASH.fullmatch(arch)
        if not good or bytes.fromhex(arch) not in known:
            raise ValueError(f"{str(arch)[:80]!r} is the module hash of no NAS-Bench-101 cell")


def _complete(table: WideTable) -> bool:
    """Whether every cell has the three accuracies of the full training."""
    final = [wide_column(DATASET, EPOCHS[-1], "test", str(trial)) for trial in range(3)]
    if table.archs != enumeration.SIZE or not set(final) <= set(table.columns):
        return False
    return not table.read(final).to_pandas().isna().any(axis=None)


#: One row a cell and one column an accuracy, so that a protocol is read without the rest.
IMPORTED = ImportedWideTable(NAME, TRAININGS, _complete)

TRUTHS = (
    IMPORTED.official("harness data fetch nasbench101_only108"),
    TruthSource(
        "compact",
        lambda: data.first_found("nasbench101/data-20k.json", "data-20k.json"),
        read_json,
        "harness data fetch nasbench101_20k (or nasbench101, for both)",
        suffix=".json",
        splits=("test", "valid"),
    ),
    IMPORTED.partial(),
)
