"""The file that holds a part of an output until it is loaded into a table: a JSON array of cells for each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.table_rows import TableRows
from anthropic_batches_provider.batches.output.table_values import TableValues

_BUFFER_BYTES = 1 << 18
_DECODE_CELLS = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _StagedRows:
    def __init__(self, file: BinaryIO, layout: RowLayout) -> None:
        self._file = file
        self._rows = TableRows(layout)

    def add(self, row: AnsweredRow) -> None:
        self._file.write(self._rows.line(row) + b"\n")


@contextmanager
def open_staged(path: Path, layout: RowLayout) -> Iterator[_StagedRows]:
    """Open a file of rows that are to be loaded into a table."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        yield _StagedRows(file, layout)


def read_staged(lines: Iterable[bytes], columns: Sequence[TableColumn]) -> Iterator[list[Any]]:
    """Yield the values of each row of such a file.

    :param columns: those that it was written with.
    """
    values = TableValues(columns)
    for line in lines:
        yield values.values(_DECODE_CELLS(line))
