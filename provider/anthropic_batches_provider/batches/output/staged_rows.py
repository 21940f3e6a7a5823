"""The file that holds a part of an output until it is loaded into a table: a JSON array of cells for each row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.misfits import warn_of_misfits
from anthropic_batches_provider.batches.output.table_columns import JSON, TableColumn
from anthropic_batches_provider.batches.output.table_rows import TableRows
from anthropic_batches_provider.batches.output.table_values import (
    MISFITS,
    TableValues,
    nullable,
    text_of,
    value_type,
)
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import CorruptLedgerError

_BUFFER_BYTES = 1 << 18
_DECODE_CELLS = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _StagedRows:
    def __init__(self, file: BinaryIO, layout: RowLayout) -> None:
        self._file = file
        self._rows = TableRows(layout)

    def add(self, row: AnsweredRow) -> None:
        self._file.write(self._rows.line(row) + b"\n")

    def finish(self) -> None:
        """Say which answers have properties that no column is for."""
        warn_of_misfits(self._rows.misfits, self._rows.columns)


@contextmanager
def open_staged(path: Path, layout: RowLayout) -> Iterator[_StagedRows]:
    """Open a file of rows that are to be loaded into a table."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        sink = _StagedRows(file, layout)
        yield sink
        sink.finish()


def read_staged(
    lines: Iterable[bytes], columns: Sequence[TableColumn], *, uri: str = "The part"
) -> Iterator[list[Any]]:
    """Yield the values of each row of such a file; at its end, the log says which values no column can hold.

    Nearly all lines hold what their columns say, and are decoded in one go. All others are decoded cell by cell.

    :param columns: those that it was written with.
    :param uri: that of the file, for errors.
    :raises CorruptLedgerError: a line is damaged.
    """
    values, decode = TableValues(columns), _line_decoder(columns)
    json_columns = [number for number, column in enumerate(columns) if column.type == JSON]
    for number, line in enumerate(lines, 1):
        try:
            row = list(decode(line))
        except MISFITS:
            yield values.values(_cells(line, number, len(columns), uri))
            continue
        for column in json_columns:
            row[column] = text_of(row[column])
        yield row
    warn_of_misfits(values.misfits, columns)


def _line_decoder(columns: Sequence[TableColumn]) -> Callable[[bytes], tuple[Any, ...]]:
    """Return a function that decodes a line whose texts are all texts; JSON stays as it is."""
    kinds = [str if _holds_text(column) else value_type(column.type) for column in columns]
    decode: Callable[[bytes], tuple[Any, ...]] = msgspec.json.Decoder(tuple[tuple(map(nullable, kinds))]).decode  # type: ignore[misc]
    return decode


def _holds_text(column: TableColumn) -> bool:
    return column.type != JSON and value_type(column.type) is msgspec.Raw


def _cells(line: bytes, number: int, expected: int, uri: str) -> list[msgspec.Raw]:
    """Return the cells of a line.

    :raises CorruptLedgerError: the line is damaged.
    """
    try:
        cells = _DECODE_CELLS(line)
    except UNDECODABLE as error:
        raise _damaged(uri, f"line {number:,} is no JSON array") from error
    if len(cells) != expected:
        raise _damaged(uri, f"line {number:,} has {len(cells):,} cells instead of {expected:,}")
    return cells


def _damaged(uri: str, what: str) -> CorruptLedgerError:
    return CorruptLedgerError(
        f"{uri} is damaged: {what}. Restore the file; or remove it and clear the task: it is then written again from "
        "the results, which costs nothing while they are at Anthropic (29 days after submission). The table was not "
        "changed."
    )
