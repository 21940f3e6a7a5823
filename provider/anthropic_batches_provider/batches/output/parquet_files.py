"""The writer of Parquet: one schema for a whole job, and row groups that are bounded by rows and by bytes.

Invariant: equal rows give equal files, so nothing in a file says when or where it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.arrow_columns import ArrowColumn
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.misfits import Misfits, warn_of_misfits
from anthropic_batches_provider.batches.output.table_columns import table_columns
from anthropic_batches_provider.batches.output.table_rows import TableRows

_GROUP_ROWS = 50_000
_GROUP_BYTES = 32 << 20
_BATCH_ROWS = 1000
_BATCH_BYTES = 4 << 20
_OF_FEW_VALUES = frozenset({"batch_id", "model", "verdict", "result_type", "stop_reason", "error_type"})


class _ParquetFile:
    def __init__(self, stream: BinaryIO, layout: RowLayout) -> None:
        import pyarrow
        from pyarrow import parquet

        columns = table_columns(layout)
        self._columns = {column.name: ArrowColumn(column) for column in columns}
        self._table_rows = TableRows(layout, lambda column: self._columns[column.name].python)
        self._schema = pyarrow.schema([(name, column.type) for name, column in self._columns.items()])
        self._writer = parquet.ParquetWriter(
            stream,
            self._schema,
            compression="zstd",
            use_dictionary=[each.name for each in columns if each.chosen and each.chosen.column.name in _OF_FEW_VALUES],
            write_page_checksum=True,
        )
        self._rows: list[tuple[Any, ...]] = []
        self._row_bytes = 0
        self._batches: list[Any] = []
        self._group_rows = self._group_bytes = 0

    @property
    def misfits(self) -> Misfits:
        """The number of values that their column cannot hold."""
        return self._table_rows.misfits

    def add(self, row: AnsweredRow) -> None:
        """Take the next row."""
        self._rows.append(self._table_rows.values(row))
        self._row_bytes += _size_of(row)
        if len(self._rows) >= _BATCH_ROWS or self._row_bytes >= _BATCH_BYTES:
            self._make_batch()

    def _make_batch(self) -> None:
        """Turn the rows into arrays, which take a fraction of the memory; write them if they are a whole group."""
        import pyarrow

        values = zip(*self._rows, strict=True)
        arrays = [column.array(each, self.misfits) for column, each in zip(self._columns.values(), values, strict=True)]
        batch = pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._batches.append(batch)
        self._group_rows += batch.num_rows
        self._group_bytes += batch.nbytes
        self._rows, self._row_bytes = [], 0
        if self._group_rows >= _GROUP_ROWS or self._group_bytes >= _GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow

        self._writer.write_table(pyarrow.Table.from_batches(self._batches), row_group_size=self._group_rows)
        self._batches, self._group_rows, self._group_bytes = [], 0, 0

    def finish(self) -> None:
        """Write the rows that are left, and say which values are missing."""
        if self._rows:
            self._make_batch()
        if self._batches:
            self._write_group()
        self._writer.close()
        warn_of_misfits(self.misfits, self._table_rows.columns)

    def close(self) -> None:
        """Close the writer, whether or not the file is complete: else it would write when it is deleted."""
        with suppress(Exception):
            self._writer.close()
        self._writer.is_open = False


def _size_of(row: AnsweredRow) -> int:
    """Return about how many bytes a row takes until it is written."""
    result = row.result
    message = 0 if result.message is None else len(memoryview(result.message))
    return len(row.columns) + 2 * len(result.text or "") + message


@contextmanager
def open_parquet(path: Path, layout: RowLayout) -> Iterator[_ParquetFile]:
    """Open a Parquet file."""
    with path.open("wb") as stream:
        file = _ParquetFile(stream, layout)
        try:
            yield file
            file.finish()
        finally:
            file.close()
