"""The score store: one SQLite file, one row a record, written by any number of processes."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

from benchmarks.errors import InputError

_SCHEMA_VERSION = 1
_BUSY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Key:
    """What a score is a function of.

    Attributes:
        benchmark: Name of the benchmark.
        dataset: Its dataset key.
        arch: Architecture id.
        proxy: Name of the proxy.
        version: Version of the proxy.
        seed: Seed of weights and batch.
        batch_size: Images in the batch; 0 where the proxy sees none.
        input: "none", "gaussian" or the name of the image set.
        init: How the weights were drawn; "none" where the proxy reads none.
    """

    benchmark: str
    dataset: str
    arch: str
    proxy: str
    version: int
    seed: int
    batch_size: int
    input: str
    init: str


@dataclass(frozen=True, slots=True)
class Record:
    """One scoring: a value, or why there is none.

    Attributes:
        key: What was scored.
        value: The score, where the status is "ok"; a proxy that has only parts has None.
        status: "ok", "nan", "inf", "-inf" or "error".
        message: The error, where there is one.
        components: Named parts of the score.
        seconds: Wall time of the proxy itself.
        device: "cpu" or the name of the GPU.
        versions: Software that computed it.
    """

    key: Key
    value: float | None
    status: str = "ok"
    message: str = ""
    components: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    device: str = "cpu"
    versions: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a score to rank by."""
        return self.status == "ok"

    def columns(self) -> dict[str, float | None]:
        """The score and its parts by the names that tables give them; None where it failed.

        A proxy of parts alone has no column of its own; one that failed and left no part has.

        >>> key = Key("nasbench201", "cifar10", "0", "vkdnw", 1, 0, 64, "gaussian", "kaiming")
        >>> Record(key, 41.9, components={"entropy": 1.9}).columns()
        {'vkdnw': 41.9, 'vkdnw.entropy': 1.9}
        >>> Record(key, None, components={"entropy": 1.9}).columns()
        {'vkdnw.entropy': 1.9}
        >>> Record(key, None, status="error").columns()
        {'vkdnw': None}
        """
        proxy = self.key.proxy
        own = {proxy: self.value} if self.value is not None or not self.components else {}
        return own | {f"{proxy}.{part}": value for part, value in self.components.items()}


def status_of(value: float) -> str:
    """Status of a computed value.

    >>> [status_of(v) for v in (1.0, float("nan"), float("-inf"))]
    ['ok', 'nan', '-inf']
    """
    return "ok" if math.isfinite(value) else str(value)


_KEY = [f.name for f in fields(Key)]
_REST = [f.name for f in fields(Record) if f.name != "key"]


class Store:
    """Records on disk. Opening creates the file.

    Write-ahead logging lets several processes read and write at once; each `add` is a
    transaction, so a process killed at any moment leaves whole records only. A key is
    written once: who comes second is ignored (equal keys have equal scores).

    Args:
        path: The SQLite file.

    Raises:
        InputError: The file cannot be opened or written, or is no score store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"cannot open the score store {path}: {error}; name a writable file with --store"
            ) from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise InputError(
                f"{path} cannot be used as a score store: {error}; "
                "name another file with --store, on a writable local disk"
            ) from error

    def _write_ahead(self) -> None:
        """Switch a new file to its write-ahead log; SQLite itself does not wait for others here."""
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(0.01)

    def _prepare(self) -> None:
        self._write_ahead()
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self._transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _SCHEMA_VERSION):
                raise sqlite3.DatabaseError(
                    f"its format is version {version}, not {_SCHEMA_VERSION}"
                )
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS scores ("
                "benchmark TEXT NOT NULL, dataset TEXT NOT NULL, arch TEXT NOT NULL, "
                "proxy TEXT NOT NULL, version INTEGER NOT NULL, seed INTEGER NOT NULL, "
                "batch_size INTEGER NOT NULL, input TEXT NOT NULL, init TEXT NOT NULL, "
                "value REAL, status TEXT NOT NULL, message TEXT NOT NULL, "
                "components TEXT NOT NULL, seconds REAL NOT NULL, device TEXT NOT NULL, "
                "versions TEXT NOT NULL, "
                "PRIMARY KEY (benchmark, dataset, proxy, version, seed, batch_size, input, init, "
                "arch)"
                ") WITHOUT ROWID"
            )
            self._db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add(self, records: Iterable[Record], *, replace: bool = False) -> None:
        """Write records in one transaction.

        Args:
            records: What to write.
            replace: Overwrite records of the same keys (for retries of failures).

        Raises:
            InputError: The disk is full or the store not writable.
        """
        columns = [*_KEY, *_REST]
        rows = []
        for record in records:
            rest = {name: getattr(record, name) for name in _REST}
            rest["components"] = json.dumps(dict(record.components))
            rows.append((*astuple(record.key), *rest.values()))
        verb = "REPLACE" if replace else "IGNORE"
        statement = (
            f"INSERT OR {verb} INTO scores ({', '.join(columns)}) "
            f"VALUES ({', '.join('?' * len(columns))})"
        )
        try:
            with self._transaction():
                self._db.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise InputError(f"cannot write to the score store {self.path}: {error}") from error

    def records(self, **where: str | int | Sequence[str]) -> Iterator[Record]:
        """Records whose key columns equal the given values (a sequence: any of them)."""
        clause, values = _condition(where)
        query = f"SELECT {', '.join([*_KEY, *_REST])} FROM scores{clause}"
        for row in self._db.execute(query, values):
            key, rest = row[: len(_KEY)], dict(zip(_REST, row[len(_KEY) :], strict=True))
            rest["components"] = json.loads(rest["components"])
            yield Record(Key(*key), **rest)

    def statuses(self, **where: str | int | Sequence[str]) -> dict[str, str]:
        """Status by architecture, of the records that `records` would give; much faster."""
        clause, values = _condition(where)
        return dict(self._db.execute(f"SELECT arch, status FROM scores{clause}", values))

    def distinct(self, column: str, **where: str | int | Sequence[str]) -> list[str | int]:
        """The different values of a column, in order, among the records that `where` chooses.

        Raises:
            ValueError: There is no such column.
        """
        if column not in (*_KEY, *_REST):
            raise ValueError(f"no column {column!r}")
        clause, values = _condition(where)
        query = f"SELECT DISTINCT {column} FROM scores{clause} ORDER BY {column}"
        return [value for (value,) in self._db.execute(query, values)]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _condition(where: Mapping[str, str | int | Sequence[str]]) -> tuple[str, list[str | int]]:
    """WHERE clause and its values: key columns equal to a value, or to any of several."""
    clauses: list[str] = []
    values: list[str | int] = []
    for column, value in where.items():
        if column not in _KEY:
            raise ValueError(f"no key column {column!r}")
        options = [value] if isinstance(value, str | int) else list(value)
        clauses.append(f"{column} IN ({', '.join('?' * len(options))})")
        values.extend(options)
    return (" WHERE " + " AND ".join(clauses) if clauses else ""), values
