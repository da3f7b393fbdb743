"""Scores of one dataset as a file holds them, and how they are collected from its entries."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.errors import InputError
from benchmarks.types import HasSuiteZeroCodes, SearchSpace
from harness.proxies import PROXIES
from harness.scores.store import status_of

#: Columns of `ScoreFile.frame`.
COLUMNS = ("arch", "proxy", "score", "seconds", "status")
#: NASLib writes it where a score is NaN or infinite, and where a proxy raised an error. It is
#: read as a failure: as a score it would rank such architectures last and count them.
FAILURE_MARK = -1e8
#: Columns and keys of the public files that hold accuracies.
ACCURACIES = (
    "val_accuracy", "val_accs", "val_acc",
    "test_accuracy", "test_accs", "train_accuracy", "train_accs",
)  # fmt: skip
#: Columns and keys of the public files that are no scores.
BOOKKEEPING = frozenset({"", "id", "rank", "new_net", "index", "unnamed: 0"})
#: A name of a proxy, or a label: what has a meaning in formulas and names is left out.
NAME = re.compile(r"[^\s@,|~]{1,100}")


@dataclass(frozen=True)
class ScoreFile:
    """Scores of one dataset as a file holds them.

    Attributes:
        dataset: The benchmark's dataset key.
        frame: Columns `COLUMNS`: architecture id, proxy (our name where we know it), score (NaN
            where there is none), seconds (NaN where the file has none) and status as in
            `harness.scores.store.Record`. One row a pair that the file holds.
        accuracies: In percent, by architecture id; empty where the file has none.
        accuracy_name: What they are called: `val_accuracy` is that of validation images.
    """

    dataset: str
    frame: pd.DataFrame
    accuracies: pd.Series[float]
    accuracy_name: str = "val_accuracy"

    @property
    def proxies(self) -> list[str]:
        """Names in the order of the file."""
        return list(dict.fromkeys(self.frame["proxy"]))

    def scores(self, proxy: str) -> pd.Series[float]:
        """Finite scores of one proxy, by architecture id."""
        rows = self.frame[(self.frame["proxy"] == proxy) & (self.frame["status"] == "ok")]
        return pd.Series(rows["score"].to_numpy(dtype=float), index=pd.Index(rows["arch"]))


@dataclass
class Collected:
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
        """What to raise of an entry."""
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
            if not NAME.fullmatch(name) or not name.isprintable():
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
        """Take one score, and the seconds that it took."""
        number = self._number(value, where)
        took = self._number(seconds, (*where, "time"))
        status = "error" if number is None or number == FAILURE_MARK else status_of(number)
        score = number if number is not None and status == "ok" else math.nan
        self.rows.append((arch, proxy, score, math.nan if took is None else took, status))

    def accuracy(self, arch: str, value: object, where: Sequence[str]) -> None:
        """Take one accuracy in percent."""
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
        """All that was taken; without a single score the file is refused."""
        if not self.rows:
            raise InputError(f"{self.path} holds no scores of {dataset}; is it the right file?")
        frame = pd.DataFrame(self.rows, columns=list(COLUMNS))
        accuracies = pd.Series(self.accuracies, dtype=float)
        return ScoreFile(dataset, frame, accuracies)


def said(path: Path, dataset: str | None, space: SearchSpace) -> str:
    """The dataset of a file that does not name one itself.

    Raises:
        InputError: The caller does not name one either.
    """
    if dataset is None:
        raise InputError(
            f"{path} does not say which dataset its scores are of; name it with --dataset: "
            f"{', '.join(space.datasets)}"
        )
    return dataset


def suite_zero_key(space: SearchSpace, arch: str) -> str:
    """The key of an architecture in such files: NAS-Bench-Suite-Zero's codes where there are."""
    if not isinstance(space, HasSuiteZeroCodes):
        return arch
    return str(space.suite_zero_codes(space.parse(arch)))
