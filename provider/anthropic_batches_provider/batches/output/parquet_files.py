"""The writer of Parquet: one schema for a whole job, and row groups that are bounded by rows and by bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anthropic_batches_provider.batches.arrow_types import arrow_type_of
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.table_columns import JSON
from anthropic_batches_provider.batches.output.table_rows import TableRows
from anthropic_batches_provider.batches.output.table_values import TableValues

_MOST_ROWS = 5_000


class _ParquetFile:
    def __init__(self, path: Path, layout: RowLayout) -> None:
        import pyarrow
        from pyarrow import parquet

        self._table_rows = TableRows(layout)
        columns = self._table_rows.columns
        self._values = TableValues(columns)
        types = [arrow_type_of("string" if each.type == JSON else each.type) for each in columns]
        self._schema = pyarrow.schema(list(zip([each.name for each in columns], types, strict=True)))
        self._writer = parquet.ParquetWriter(str(path), self._schema, compression="zstd")
        self._rows: list[list[Any]] = []

    def add(self, row: AnsweredRow) -> None:
        self._rows.append(self._values.values(self._table_rows.cells(row)))
        if len(self._rows) >= _MOST_ROWS:
            self.flush()

    def flush(self) -> None:
        import pyarrow

        columns = [
            pyarrow.array(values, type=field.type)
            for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_batch(pyarrow.RecordBatch.from_arrays(columns, schema=self._schema))
        self._rows = []

    def close(self) -> None:
        if self._rows:
            self.flush()
        self._writer.close()


@contextmanager
def open_parquet(path: Path, layout: RowLayout) -> Iterator[_ParquetFile]:
    """Open a Parquet file."""
    file = _ParquetFile(path, layout)
    yield file
    file.close()
