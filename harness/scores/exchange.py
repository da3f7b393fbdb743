"""The community's score files: NAS-Bench-Suite-Zero's JSON and the CSV `net,net_str,<proxies>`.

JSON (Krishnakumar et al., "NAS-Bench-Suite-Zero", NeurIPS 2022, arXiv:2210.03230):
`{dataset: {arch: {proxy: {"score": x, "time": seconds}, ..., "val_accuracy": percent}}}`, and the
flat older form without the outermost level; a bare number may stand for `{"score": x}`.

CSV: a row an architecture; `net` (operation codes or a row number) and `net_str` (the
architecture string) name it, `val_accs` or `val_accuracy` is an accuracy, every other column a
proxy; an empty cell is no score.

Files come from strangers: they are read as plain JSON and CSV, sizes and types are checked.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.data import parse_json, replacing
from benchmarks.errors import InputError
from benchmarks.types import HasSuiteZeroCodes, SearchSpace
from harness.evaluation import metrics
from harness.proxies import PROXIES
from harness.scores.names import IMPORTED, imported_key
from harness.scores.store import Record, Store, status_of

#: Columns of `ScoreFile.frame`.
COLUMNS = ("arch", "proxy", "score", "seconds", "status")
#: NASLib writes it where a score is NaN or infinite, and where a proxy raised an error. It is
#: read as a failure: as a score it would rank such architectures last and count them.
FAILURE_MARK = -1e8

_MAX_BYTES = 1 << 30
_ACCURACIES = ("val_accuracy", "val_accs", "val_acc")
#: Columns and keys of the public files that are no scores.
_BOOKKEEPING = frozenset({"", "id", "rank", "new_net", "index", "unnamed: 0"})
_NAME = re.compile(r"[^\s@,|~]{1,100}")


@dataclass(frozen=True)
class ScoreFile:
    """Scores of one dataset as a file holds them.

    Attributes:
        dataset: The benchmark's dataset key.
        frame: Columns `COLUMNS`: architecture id, proxy (our name where we know it), score (NaN
            where there is none), seconds (NaN where the file has none) and status as in
            `harness.scores.store.Record`. One row a pair that the file holds.
        accuracies: In percent, by architecture id; empty where the file has none.
    """

    dataset: str
    frame: pd.DataFrame
    accuracies: pd.Series[float]

    @property
    def proxies(self) -> list[str]:
        """Names in the order of the file."""
        return list(dict.fromkeys(self.frame["proxy"]))

    def scores(self, proxy: str) -> pd.Series[float]:
        """Finite scores of one proxy, by architecture id."""
        rows = self.frame[(self.frame["proxy"] == proxy) & (self.frame["status"] == "ok")]
        return pd.Series(rows["score"].to_numpy(dtype=float), index=pd.Index(rows["arch"]))


@dataclass
class _Collected:
    """Rows of a `ScoreFile` in the making."""

    path: Path
    parse: Callable[[str], Any]
    rows: list[tuple[str, str, float, float, str]] = field(default_factory=list)
    accuracies: dict[str, float] = field(default_factory=dict)
    _seen: dict[str, str] = field(default_factory=dict)
    _ours: dict[str, str] = field(
        default_factory=lambda: {
            alias: name for name in PROXIES for alias in (name, *PROXIES.aliases(name))
        }
    )

    def refuse(self, where: str, what: str, remedy: str) -> InputError:
        return InputError(f"{self.path}, {where}: {what}; {remedy}")

    def architecture(self, text: str, where: str) -> str:
        """Canonical id of the architecture that an entry is about."""
        try:
            arch = str(self.parse(text).id)
        except InputError as error:
            raise InputError(f"{self.path}, {where}: {error}") from error
        if arch in self._seen:
            raise self.refuse(
                where, f"{arch} stood there before, as {self._seen[arch]}", "remove one of the two"
            )
        self._seen[arch] = where
        return arch

    def names(self, names: Iterable[str], where: str) -> dict[str, str]:
        """Our names for theirs."""
        mapped: dict[str, str] = {}
        for name in names:
            if not _NAME.fullmatch(name) or not name.isprintable():
                raise self.refuse(
                    where,
                    f"{name[:100]!r} is no name of a proxy",
                    "names have 1 to 100 characters, no blanks, and none of @ , | ~",
                )
            mapped[name] = self._ours.get(name, name)
        for name, ours in mapped.items():
            twice = [other for other in mapped if other != name and mapped[other] == ours]
            if twice:
                raise self.refuse(
                    where, f"{name} and {twice[0]} are the same proxy, {ours}", "keep one of them"
                )
        return mapped

    def score(
        self, arch: str, proxy: str, value: object, seconds: object, where: Sequence[str]
    ) -> None:
        number = self._number(value, where)
        took = self._number(seconds, (*where, "time"))
        status = "error" if number is None or number == FAILURE_MARK else status_of(number)
        score = number if number is not None and status == "ok" else math.nan
        self.rows.append((arch, proxy, score, math.nan if took is None else took, status))

    def accuracy(self, arch: str, value: object, where: Sequence[str]) -> None:
        number = self._number(value, where)
        if number is None or math.isnan(number):
            return
        if not 0 <= number <= 100:
            raise self.refuse(
                ", ".join(where), f"accuracy {number} is not in 0..100 percent", "correct it"
            )
        self.accuracies[arch] = number

    def _number(self, value: object, where: Sequence[str]) -> float | None:
        if value is None:
            return None
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            try:
                return float(value)
            except (ValueError, OverflowError):
                pass  # refused below, like every other thing that is no number
        shown = str(value)[:40]
        raise self.refuse(
            ", ".join(where),
            f"{shown!r} is no number",
            "a score is a number, nan, inf, -inf or null",
        )

    def done(self, dataset: str) -> ScoreFile:
        if not self.rows:
            raise InputError(f"{self.path} holds no scores of {dataset}; is it the right file?")
        frame = pd.DataFrame(self.rows, columns=list(COLUMNS))
        accuracies = pd.Series(self.accuracies, dtype=float)
        return ScoreFile(dataset, frame, accuracies)


# ------------------------------------------------------------------ reading


def read(path: Path, space: SearchSpace, dataset: str | None = None) -> ScoreFile:
    """Read a score file.

    Args:
        path: .json or .csv, in the forms above.
        space: Reads the names of architectures: strings, indices, codes or hashes.
        dataset: Which dataset of the file, or what a file that does not say is about. Default:
            the only one of the file.

    Raises:
        InputError: The file is unreadable, of another form or empty; the dataset is unknown,
            absent or not said; an architecture is malformed or stands twice; a score is no
            number. The message names file, entry and remedy.
    """
    if dataset is not None:
        dataset = space.dataset(dataset).name
    readers = {".json": _read_json, ".csv": _read_csv}
    if path.suffix not in readers:
        raise InputError(f"cannot read scores from {path}: the name must end in .json or .csv")
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise InputError(
                f"{path} has {size:,} bytes, more than the {_MAX_BYTES:,} that a score file may "
                "have; split it by dataset"
            )
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read the score file {path}: {error}; name a .json or .csv in UTF-8"
        ) from error
    if not text.strip():
        raise InputError(f"{path} is empty; fetch or export it again")
    return readers[path.suffix](path, text, space, dataset)


def _read_json(path: Path, text: str, space: SearchSpace, dataset: str | None) -> ScoreFile:
    content = parse_json(text, path)
    if not isinstance(content, dict) or not content:
        raise InputError(
            f"{path}: the top level must be an object of datasets or architectures that is not "
            "empty, {dataset: {arch: {proxy: {score, time}}}}; is it a score file?"
        )
    dataset, entries = _dataset_of(path, content, space, dataset)
    if not isinstance(entries, dict):
        raise InputError(f"{path}, {dataset}: must be an object of architectures")
    collected = _Collected(path, space.parse)
    known: dict[tuple[str, ...], dict[str, str]] = {}  # architectures share their proxies
    for key, entry in entries.items():
        if not isinstance(entry, dict):
            raise collected.refuse(
                key[:200], "is no object of proxies", "expected {proxy: {score, time}}"
            )
        arch = collected.architecture(key, key[:200])
        theirs = tuple(n for n in entry if n.lower() not in _BOOKKEEPING and n not in _ACCURACIES)
        if theirs not in known:
            known[theirs] = collected.names(theirs, key)
        for name, ours in known[theirs].items():
            value, seconds = entry[name], None
            if isinstance(value, dict):
                if "score" not in value:
                    raise collected.refuse(
                        f"{key}, {name}", "has no score", 'expected {"score": x, "time": seconds}'
                    )
                value, seconds = value["score"], value.get("time")
            collected.score(arch, ours, value, seconds, (key, name))
        for name in _ACCURACIES:
            if name in entry:
                collected.accuracy(arch, entry[name], (key, name))
    return collected.done(dataset)


def _dataset_of(
    path: Path, content: Mapping[str, object], space: SearchSpace, dataset: str | None
) -> tuple[str, object]:
    """The dataset that is read and its object, of a nested or a flat file."""
    named = {_folded(name): name for name in space.datasets}
    held = {named[_folded(key)]: key for key in content if _folded(key) in named}
    if not held:
        first = next(iter(content))
        try:
            space.parse(first)
        except InputError as error:
            raise InputError(
                f"{path}: the top level holds neither a dataset ({', '.join(space.datasets)}) nor "
                f"architectures; it begins with {first[:200]!r}, and {error}"
            ) from error
        return _said(path, dataset, space), content
    if dataset is None and len(held) > 1:
        raise InputError(
            f"{path} holds several datasets ({', '.join(held)}); choose one with --dataset"
        )
    chosen = dataset or next(iter(held))
    if chosen not in held:
        raise InputError(f"{path} holds no {chosen}, but {', '.join(held)}; choose with --dataset")
    return chosen, content[held[chosen]]


def _folded(name: str) -> str:
    """NASLib, NATS-Bench and others spell datasets differently: "CIFAR-10", "cifar10"."""
    return re.sub(r"[-_ ]", "", name).lower()


def _said(path: Path, dataset: str | None, space: SearchSpace) -> str:
    if dataset is None:
        raise InputError(
            f"{path} does not say which dataset its scores are of; name it with --dataset: "
            f"{', '.join(space.datasets)}"
        )
    return dataset


def _read_csv(path: Path, text: str, space: SearchSpace, dataset: str | None) -> ScoreFile:
    dataset = _said(path, dataset, space)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    collected = _Collected(path, space.parse)
    try:
        header = [name.strip() for name in next(lines)]
        twice = {name for name in header if name and header.count(name) > 1}
        if twice:
            raise InputError(f"{path}: column {min(twice)} stands twice; remove one of the two")
        if not {"net", "net_str"} & set(header):
            raise InputError(
                f"{path}: no column net or net_str; its first line must be net,net_str,<proxies>"
            )
        skipped = {"net", "net_str", *_ACCURACIES}
        theirs = [n for n in header if n not in skipped and n.lower() not in _BOOKKEEPING]
        ours = collected.names(theirs, "line 1")
        for row in lines:
            if not row:
                continue
            where = f"line {lines.line_num}"
            if len(row) != len(header):
                raise collected.refuse(
                    where, f"{len(row)} values for {len(header)} columns", "complete the line"
                )
            cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
            arch = collected.architecture(_net(collected, cells, where), where)
            for name in theirs:
                if cells[name]:
                    collected.score(arch, ours[name], cells[name], None, (where, name))
            for name in _ACCURACIES:
                if cells.get(name):
                    collected.accuracy(arch, cells[name], (where, name))
    except csv.Error as error:
        raise InputError(
            f"{path}, line {lines.line_num}: {error}; it is no CSV, or damaged: export it again"
        ) from error
    return collected.done(dataset)


def _net(collected: _Collected, cells: Mapping[str, str], where: str) -> str:
    """The architecture's name in a line; `net` and `net_str` must not contradict one another."""
    net, text = cells.get("net", ""), cells.get("net_str", "")
    if not text:
        return net
    if net and not net.isdigit():  # a number beside a string may count the lines of the file
        try:
            same = collected.parse(net).id == collected.parse(text).id
        except InputError as error:
            raise InputError(f"{collected.path}, {where}: {error}") from error
        if not same:
            raise collected.refuse(
                where, f"net {net} and net_str {text} are different", "correct one of the two"
            )
    return text


# ------------------------------------------------------------------ writing


def of_records(
    records: Iterable[Record],
    dataset: str,
    accuracies: pd.Series[float] | None = None,
    seed: int | None = None,
) -> ScoreFile:
    """Records of the store in the form of a score file, which has one score a pair.

    Args:
        records: Of one benchmark and dataset, one protocol and version a proxy. Imported ones
            are left out; parts of a proxy become `<proxy>.<part>`.
        dataset: Their dataset.
        accuracies: In percent, by architecture id; those of other architectures are dropped.
        seed: Whose scores; default: the only one there is.

    Raises:
        InputError: There are no such records, or several seeds and none is chosen.
    """
    own = [record for record in records if record.key.input != IMPORTED]
    seeds = sorted({record.key.seed for record in own})
    if seed is None and len(seeds) > 1:
        raise InputError(
            f"there are scores of the seeds {', '.join(map(str, seeds))}, and such a file holds "
            "one score a proxy; choose one with --seed"
        )
    own = [record for record in own if seed in (None, record.key.seed)]
    if not own:
        raise InputError(
            f"the store holds no scores of {dataset}"
            + (f" with seed {seed}; its seeds: {', '.join(map(str, seeds))}" if seeds else "")
            + "; make some with harness score"
        )
    rows: list[tuple[str, str, float, float, str]] = []
    for record in sorted(own, key=lambda r: (r.key.arch, r.key.proxy)):
        for name, value in sorted(record.columns().items()):
            score = math.nan if value is None else value
            status = record.status if name == record.key.proxy else "ok"  # parts are finite
            rows.append((record.key.arch, name, score, record.seconds, status))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    if accuracies is None:
        accuracies = pd.Series(dtype=float)
    return ScoreFile(dataset, frame, accuracies[accuracies.index.isin(frame["arch"])])


def write_json(scores: ScoreFile, path: Path, space: SearchSpace) -> int:
    """Write the NAS-Bench-Suite-Zero form.

    NaN and infinity are written as Python's `json` writes them (`NaN`, `Infinity`), an error as
    `null`.

    Returns:
        How many architectures it holds.

    Raises:
        InputError: The file cannot be written.
    """
    keys = {arch: _suite_zero_key(space, arch) for arch in dict.fromkeys(scores.frame["arch"])}
    entries: dict[str, dict[str, object]] = {key: {} for key in keys.values()}
    for arch, proxy, score, seconds, status in scores.frame.itertuples(index=False):
        spelled = {"ok": score, "error": None}.get(status, math.nan)
        value: dict[str, object] = {"score": float(status) if "inf" in status else spelled}
        if not math.isnan(seconds):
            value["time"] = seconds
        entries[keys[arch]][proxy] = value
    for arch, accuracy in scores.accuracies.items():
        if arch in keys:
            entries[keys[arch]]["val_accuracy"] = float(accuracy)
    with replacing(path) as temporary:
        # dumps, not dump: only the former uses the C encoder.
        temporary.write_text(json.dumps({scores.dataset: entries}), encoding="utf-8")
    return len(entries)


def write_csv(scores: ScoreFile, path: Path, space: SearchSpace) -> int:
    """Write the form `net,net_str,<proxies>`, with `val_accs` where there are accuracies.

    The form has no times, and does not tell an error from NaN.

    Returns:
        How many architectures it holds.

    Raises:
        InputError: The file cannot be written.
    """
    proxies = scores.proxies
    rows: dict[str, dict[str, object]] = {}
    for arch, proxy, score, _, status in scores.frame.itertuples(index=False):
        failed = "nan" if status == "error" else status
        rows.setdefault(arch, {})[proxy] = repr(float(score)) if status == "ok" else failed
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        with_accuracy = ["val_accs"] if len(scores.accuracies) else []
        writer.writerow(["net", "net_str", *proxies, *with_accuracy])
        for arch, row in rows.items():
            line = [_suite_zero_key(space, arch), arch, *(row.get(name, "") for name in proxies)]
            writer.writerow([*line, *(scores.accuracies.get(arch, "") for _ in with_accuracy)])
    return len(rows)


def _suite_zero_key(space: SearchSpace, arch: str) -> str:
    if not isinstance(space, HasSuiteZeroCodes):
        return arch
    return str(space.suite_zero_codes(space.parse(arch)))


# ------------------------------------------------------------------ into the store, and beside it


def label_of(path: Path, label: str | None) -> str:
    """The label under which a file's scores are kept: the one given, or the file's name.

    Raises:
        InputError: It has characters that names cannot have.
    """
    chosen = label if label is not None else re.sub(r"[\s@,|~]", "_", path.stem)
    if not _NAME.fullmatch(chosen) or not chosen.isprintable():
        raise InputError(
            f"{chosen[:100]!r} cannot be a label: 1 to 100 characters, no blanks, none of @ , | ~; "
            "choose another --label"
        )
    return chosen


def keep(scores: ScoreFile, store: Store, benchmark: str, label: str, origin: Path) -> list[str]:
    """Put a file's scores into the store, as proxies called `<proxy>@<label>`.

    Args:
        scores: What the file holds.
        store: Written, in one transaction.
        benchmark: Whose architectures they are.
        label: See `label_of`.
        origin: The file, for the records.

    Returns:
        The names.

    Raises:
        InputError: The store has other scores under one of these names.
    """
    records = []
    for arch, proxy, score, seconds, status in scores.frame.itertuples(index=False):
        records.append(
            Record(
                imported_key(benchmark, scores.dataset, arch, f"{proxy}@{label}"),
                float(score) if status == "ok" else None,
                status=status,
                message="" if status != "error" else f"no score in {origin.name}",
                seconds=0.0 if math.isnan(seconds) else float(seconds),
                device="unknown",
                versions=f"imported from {origin.name}",
            )
        )
    names = list(dict.fromkeys(record.key.proxy for record in records))
    held = {
        record.key: (record.status, record.value)
        for record in store.records(benchmark=benchmark, dataset=scores.dataset, proxy=names)
    }
    for record in records:
        before = held.get(record.key, (record.status, record.value))
        if before != (record.status, record.value):
            raise InputError(
                f"{store.path} holds another {record.key.proxy} of {record.key.arch} "
                f"({before[1] if before[0] == 'ok' else before[0]}, in {origin} "
                f"{record.value if record.ok else record.status}); choose another --label"
            )
    store.add(records)
    return names


def compare(
    ours: ScoreFile, theirs: ScoreFile, accuracies: pd.Series[float] | None = None
) -> pd.DataFrame:
    """Rank agreement of two files, proxy by proxy, on the architectures that both have scored.

    Args:
        ours: One file, or `of_records`.
        theirs: The other.
        accuracies: In percent, by architecture id; None where there is no truth.

    Returns:
        Columns `proxy`, `n`, `spearman`, `kendall_tau`, and with accuracies
        `n_accuracy`, `tau_ours`, `tau_theirs`: Kendall's tau of each side with the accuracies of
        the same architectures. Sorted by Spearman's rho, the best first.

    Raises:
        InputError: They share no proxy, or no architecture.
    """
    shared = [name for name in ours.proxies if name in set(theirs.proxies)]
    if not shared:
        raise InputError(
            f"no proxy in common: ours are {', '.join(ours.proxies)}; "
            f"theirs {', '.join(theirs.proxies)}"
        )
    rows = []
    for name in shared:
        pair = pd.concat([ours.scores(name), theirs.scores(name)], axis=1, join="inner")
        x, y = (pair.iloc[:, side].to_numpy(dtype=float) for side in (0, 1))
        row: dict[str, object] = {
            "proxy": name,
            "n": len(pair),
            "spearman": metrics.spearman_rho(x, y),
            "kendall_tau": metrics.kendall_tau(x, y),
        }
        if accuracies is not None:
            known = np.asarray(pair.index.isin(accuracies.index))
            truth = accuracies.reindex(pair.index[known]).to_numpy(dtype=float)
            row["n_accuracy"] = int(known.sum())
            row["tau_ours"] = metrics.kendall_tau(x[known], truth)
            row["tau_theirs"] = metrics.kendall_tau(y[known], truth)
        rows.append(row)
    frame = pd.DataFrame(rows)
    if not frame["n"].any():
        raise InputError(
            f"no architecture in common that has a score of {', '.join(shared)} on both sides; "
            "score more of them with harness score --archs"
        )
    order = ["spearman", "n", "proxy"]
    return frame.sort_values(order, ascending=[False, False, True]).reset_index(drop=True)
