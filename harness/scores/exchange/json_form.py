"""The form of NAS-Bench-Suite-Zero: `{dataset: {arch: {proxy: {"score": x, "time": s}}}}`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.data import parse_json, replacing
from benchmarks.errors import InputError
from benchmarks.types import SearchSpace
from harness.scores.exchange.score_file import (
    ACCURACIES,
    BOOKKEEPING,
    Collected,
    ScoreFile,
    said,
    suite_zero_key,
)


def read_json(path: Path, text: str, space: SearchSpace, dataset: str | None) -> ScoreFile:
    """Read the JSON forms, nested and flat. Arguments as in `reading.read`, and the text."""
    content = parse_json(text, path)
    if not isinstance(content, dict) or not content:
        raise InputError(
            f"{path}: the top level must be an object of datasets or architectures that is not "
            "empty, {dataset: {arch: {proxy: {score, time}}}}; is it a score file?"
        )
    dataset, entries = _dataset_of(path, content, space, dataset)
    if not isinstance(entries, dict):
        raise InputError(f"{path}, {dataset}: must be an object of architectures")
    collected = Collected(path, space.parse)
    known: dict[tuple[str, ...], dict[str, str]] = {}  # architectures share their proxies
    for key, entry in entries.items():
        if not isinstance(entry, dict):
            raise collected.refuse(
                key[:200], "is no object of proxies", "expected {proxy: {score, time}}"
            )
        arch = collected.architecture(key, key[:200])
        theirs = tuple(n for n in entry if n.lower() not in BOOKKEEPING and n not in ACCURACIES)
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
        for name in ACCURACIES:
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
        return said(path, dataset, space), content
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


def write_json(scores: ScoreFile, path: Path, space: SearchSpace) -> int:
    """Write the NAS-Bench-Suite-Zero form.

    NaN and infinity are written as Python's `json` writes them (`NaN`, `Infinity`), an error as
    `null`.

    Returns:
        How many architectures it holds.

    Raises:
        InputError: The file cannot be written.
    """
    keys = {arch: suite_zero_key(space, arch) for arch in dict.fromkeys(scores.frame["arch"])}
    entries: dict[str, dict[str, object]] = {key: {} for key in keys.values()}
    for arch, proxy, score, seconds, status in scores.frame.itertuples(index=False):
        spelled = {"ok": score, "error": None}.get(status, math.nan)
        value: dict[str, object] = {"score": float(status) if "inf" in status else spelled}
        if not math.isnan(seconds):
            value["time"] = seconds
        entries[keys[arch]][proxy] = value
    for arch, accuracy in scores.accuracies.items():
        if arch in keys:
            entries[keys[arch]][scores.accuracy_name] = float(accuracy)
    with replacing(path) as temporary:
        # dumps, not dump: only the former uses the C encoder.
        temporary.write_text(json.dumps({scores.dataset: entries}), encoding="utf-8")
    return len(entries)
