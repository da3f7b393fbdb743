"""Tables that `harness data import` makes of official files: where they lie, how they are kept.

A table is a Parquet file with its source in the metadata. One that is complete is chosen by
itself; one of a part of the benchmark only by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import data
from benchmarks.errors import InputError
from benchmarks.tables import Table, TruthTable, WideTable, is_accuracy
from benchmarks.types import TruthSource

_SOURCE_KEY = b"nas-proxy-harness.source"


@dataclass(frozen=True)
class Imported(ABC):
    """The imported table of a benchmark.

    Attributes:
        benchmark: Its name.
        trainings: As of `TruthTable`.
        complete: Whether a table is of the whole benchmark.
    """

    benchmark: str
    trainings: str
    complete: Callable[[Any], bool]

    @abstractmethod
    def read(self, path: Path) -> TruthTable:
        """A table that `keep` wrote.

        Raises:
            InputError: The file is damaged or something else.
        """

    @abstractmethod
    def _arrow(self, table: Any) -> tuple[pa.Table, int | None]:
        """What is written of a table, and rows that are read together; None: all."""

    def file(self, *, complete: bool) -> Path:
        """Where the table is kept."""
        kind = "official" if complete else "official-partial"
        return data.cache_folder() / f"{self.benchmark}-{kind}.parquet"

    def keep(self, table: Any, path: Path | None = None) -> Path:
        """Write a table where `harness` finds it again, or to `path`; whole or not at all.

        Raises:
            InputError: The folder cannot be written.
        """
        target = path or self.file(complete=self.complete(table))
        arrow, rows = self._arrow(table)
        metadata = {**(arrow.schema.metadata or {}), _SOURCE_KEY: table.source.encode()}
        with data.replacing(target) as temporary:
            pq.write_table(
                arrow.replace_schema_metadata(metadata),
                temporary,
                compression="zstd",
                row_group_size=rows,
            )
        return target

    def official(self, get: str) -> TruthSource:
        """The complete table as a source of ground truth.

        Args:
            get: How a user gets the official file, for messages.
        """
        remedy = f"{get}, then: {self._command}"
        find = self._find(complete=True)
        return TruthSource("official", find, self.read, remedy, suffix=".parquet")

    def partial(self) -> TruthSource:
        """The table of a part of the benchmark as a source, to be named."""
        remedy = f"{self._command}, of a part of the benchmark"
        find = self._find(complete=False)
        return TruthSource("official-partial", find, self.read, remedy, automatic=False)

    def _find(self, *, complete: bool) -> Callable[[], Path | None]:
        def find() -> Path | None:
            path = self.file(complete=complete)
            return path if path.is_file() else None

        return find

    @property
    def _command(self) -> str:
        return f"harness data import {self.benchmark} PATH"

    def _error(self, problem: str) -> InputError:
        return InputError(f"{problem}; import it again: {self._command}")


class ImportedTable(Imported):
    """One that is a `Table`."""

    def read(self, path: Path) -> Table:
        """As in `Imported`."""
        try:
            arrow = pq.read_table(path)
            frame = arrow.to_pandas()
        except (OSError, pa.ArrowException) as error:
            raise self._error(f"{path} is no readable Parquet file: {error}") from error
        source = _source(arrow.schema, path)
        return Table(self.benchmark, source, self.trainings, frame).validated(path)

    def _arrow(self, table: Table) -> tuple[pa.Table, int | None]:
        return pa.Table.from_pandas(table.frame, preserve_index=False), None


class ImportedWideTable(Imported):
    """One that is a `WideTable`: a protocol is read without the rest."""

    def read(self, path: Path) -> WideTable:
        """As in `Imported`; columns are read when they are asked for."""
        try:
            file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise self._error(f"{path} is no readable Parquet file: {error}") from error
        schema, rows = file.schema_arrow, file.metadata.num_rows

        def read(columns: Sequence[str]) -> pa.Table:
            return self._columns(path, columns)

        source = _source(schema, path)
        table = WideTable(self.benchmark, source, self.trainings, rows, schema.names, read)
        held = table.accuracy_columns
        strange = [name for name in held if not pa.types.is_floating(schema.field(name).type)]
        if "arch" not in schema.names or not held or strange:
            raise self._error(
                f"{path} has no column arch or none of accuracies: {schema.names[:5]}"
            )
        return table

    def _columns(self, path: Path, columns: Sequence[str]) -> pa.Table:
        try:
            arrow = pq.read_table(path, columns=list(columns))
        except (OSError, pa.ArrowException) as error:
            raise self._error(f"{path} is damaged: {error}") from error
        for name in arrow.column_names:
            column = arrow[name]
            if name == "arch" and len(column.unique()) < len(column):
                raise self._error(f"{path}: a cell stands twice")
            if is_accuracy(name):
                values = column.to_numpy()
                bad = values[(values < 0) | (values > 100)]
                if len(bad):
                    raise self._error(
                        f"{path}: accuracy {bad[0]} in {name} is not in 0..100 percent "
                        f"({len(bad)} such rows)"
                    )
        return arrow

    def _arrow(self, table: WideTable) -> tuple[pa.Table, int | None]:
        return table.read(table.columns), 1 << 16


def _source(schema: pa.Schema, path: Path) -> str:
    text: bytes = (schema.metadata or {}).get(_SOURCE_KEY, path.name.encode())
    return text.decode()
