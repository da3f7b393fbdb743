"""The form `net,net_str,<proxies>`, a row an architecture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from benchmarks.data import replacing
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


def read_csv(path: Path, text: str, space: SearchSpace, dataset: str | None) -> ScoreFile:
    """Read the CSV form. Arguments as in `reading.read`, and the file's text."""
    dataset = said(path, dataset, space)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    collected = Collected(path, space.parse)
    try:
        header = [name.strip() for name in next(lines)]
        twice = {name for name in header if name and header.count(name) > 1}
        if twice:
            raise InputError(f"{path}: column {min(twice)} stands twice; remove one of the two")
        if not {"net", "net_str"} & set(header):
            raise InputError(
                f"{path}: no column net or net_str; its first line must be net,net_str,<proxies>"
            )
        skipped = {"net", "net_str", *ACCURACIES}
        theirs = [n for n in header if n not in skipped and n.lower() not in BOOKKEEPING]
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
            for name in ACCURACIES:
                if cells.get(name):
                    collected.accuracy(arch, cells[name], (where, name))
    except csv.Error as error:
        raise InputError(
            f"{path}, line {lines.line_num}: {error}; it is no CSV, or damaged: export it again"
        ) from error
    return collected.done(dataset)


def _net(collected: Collected, cells: Mapping[str, str], where: str) -> str:
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


def write_csv(scores: ScoreFile, path: Path, space: SearchSpace) -> int:
    """Write the form `net,net_str,<proxies>`, and `val_accs` or `test_accs` where they are known.

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
        column = scores.accuracy_name.replace("_accuracy", "_accs")
        with_accuracy = [column] if len(scores.accuracies) else []
        writer.writerow(["net", "net_str", *proxies, *with_accuracy])
        for arch, row in rows.items():
            line = [suite_zero_key(space, arch), arch, *(row.get(name, "") for name in proxies)]
            writer.writerow([*line, *(scores.accuracies.get(arch, "") for _ in with_accuracy)])
    return len(rows)
