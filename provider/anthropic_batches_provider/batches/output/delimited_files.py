"""The writer of CSV: a header, then one record for each row; a null is an empty cell, and an empty text is quoted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.table_rows import TableRows
from anthropic_batches_provider.batches.output.table_values import text_of

_BUFFER_BYTES = 1 << 18
_MUST_BE_QUOTED = frozenset('",\r\n')


class _Delimited:
    def __init__(self, file: BinaryIO, layout: RowLayout) -> None:
        self._file = file
        self._rows = TableRows(layout)
        self._write([column.name for column in self._rows.columns])

    def add(self, row: AnsweredRow) -> None:
        self._write([text_of(cell, column_type="string") for cell in self._rows.cells(row)])

    def _write(self, texts: list[str | None]) -> None:
        self._file.write(",".join(map(_quoted, texts)).encode() + b"\n")


def _quoted(text: str | None) -> str:
    if text is None:
        return ""
    if text and _MUST_BE_QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


@contextmanager
def open_csv(path: Path, layout: RowLayout) -> Iterator[_Delimited]:
    """Open a file of comma-separated values."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        yield _Delimited(file, layout)
