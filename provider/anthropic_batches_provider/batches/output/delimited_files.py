"""CSV: a header, then one record for each row; a null is an empty cell, and an empty text is quoted.

Invariant: the reader returns the texts and nulls that were written. Other readers may not tell a null from an empty
text, but none finds other texts, columns or rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.misfits import warn_of_misfits
from anthropic_batches_provider.batches.output.table_columns import JSON
from anthropic_batches_provider.batches.output.table_rows import TableRows

_BUFFER_BYTES = 1 << 18
_BLOCK_RECORDS = 200  # handed to the file at once: each call costs more than its bytes
_BLOCK_CHARACTERS = 1 << 20
_find_what_may_need_quotes = re.compile(r'[",\r\n\ufeff\\]').search
_MUST_BE_QUOTED = re.compile(r'[",\r\n]|^\ufeff|^\\\.$')  # a byte order mark; PostgreSQL's end of the data
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^,"\r\n]*))([,\n])')
_NULL = "n"  # how the JSON of a cell begins
_NEED_NO_QUOTES = frozenset("-0123456789tf")
_MOST_RECORD_BYTES = 1 << 28
_KEEP_BYTES = "surrogateescape"  # JSON that nothing has read may hold bytes that are no UTF-8
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class _Delimited:
    def __init__(self, file: BinaryIO, layout: RowLayout) -> None:
        self._file = file
        self._rows = TableRows(layout)
        self._cell_of = [_json_cell if column.type == JSON else _cell for column in self._rows.columns]
        self._records = [",".join(_quoted(column.name) for column in self._rows.columns)]
        self._held_characters = 0

    def add(self, row: AnsweredRow) -> None:
        values = zip(self._cell_of, self._rows.values(row), strict=True)
        record = ",".join(["" if value is None else cell_of(value) for cell_of, value in values])
        self._records.append(record or '""')  # readers skip a line that holds nothing
        self._held_characters += len(record)
        if len(self._records) >= _BLOCK_RECORDS or self._held_characters >= _BLOCK_CHARACTERS:
            self.flush()

    def finish(self) -> None:
        """Write the records that are left, and say which values are missing."""
        self.flush()
        warn_of_misfits(self._rows.misfits, self._rows.columns)

    def flush(self) -> None:
        if self._records:
            self._file.write("\n".join((*self._records, "")).encode(errors=_KEEP_BYTES))
            self._records, self._held_characters = [], 0


def _cell(value: Any) -> str:
    """Return a value as it is written; null is nothing."""
    kind = type(value)
    if kind is str:
        return value if value and _find_what_may_need_quotes(value) is None else _quoted(value)
    if kind is int:
        return str(value)
    json = _json_of(value)
    return _text_of(json) if json[0] == '"' else _of_json(json)


def _json_cell(value: Any) -> str:
    """Return a value of any shape as it is written: strings too are JSON."""
    return _of_json(_json_of(value))


def _json_of(value: Any) -> str:
    return str(value if type(value) is msgspec.Raw else _encode(value), "utf-8", _KEEP_BYTES)


def _of_json(json: str) -> str:
    if json[0] in _NEED_NO_QUOTES:
        return json
    return "" if json[0] == _NULL else _quoted(json)


def _text_of(string: str) -> str:
    """Return a string as it is written, from its JSON."""
    if "\\" in string:
        return _quoted(_decode_text(string.encode(errors=_KEEP_BYTES)))
    if "," in string or len(string) == 2 or string[1] == "\ufeff":
        return string  # without escapes, JSON and CSV quote alike
    return string[1:-1]


def _quoted(text: str) -> str:
    if text and _MUST_BE_QUOTED.search(text) is None:
        return text
    return '"' + text.replace('"', '""') + '"'


@contextmanager
def open_csv(path: Path, layout: RowLayout) -> Iterator[_Delimited]:
    """Open a file of comma-separated values."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        sink = _Delimited(file, layout)
        yield sink
        sink.finish()


def read_delimited(lines: Iterable[bytes]) -> Iterator[dict[str, str | None]]:
    """Yield the rows of a file that :func:`open_csv` wrote, with None for a null.

    :param lines: the lines of the file, with their line feeds.
    :raises ValueError: the file is not as it was written; says in which line.
    """
    records = _records(lines)
    _, header = next(records, (1, ()))
    if not header or None in header:
        raise ValueError("it has no header")
    names = [name or "" for name in header]
    for number, cells in records:
        if len(cells) != len(names):
            raise ValueError(f"line {number:,} has {len(cells)} cells, but the header names {len(names)} columns")
        yield dict(zip(names, cells, strict=True))


def _records(lines: Iterable[bytes]) -> Iterator[tuple[int, Sequence[str | None]]]:
    """Yield each record, with the number of its first line."""
    held: list[bytes] = []
    marks = held_bytes = 0
    first = 1
    for number, line in enumerate(lines, 1):
        held.append(line)
        marks += line.count(b'"')
        held_bytes += len(line)
        if marks % 2 == 0:
            yield first, _cells(b"".join(held), first)
            held, marks, held_bytes, first = [], 0, 0, number + 1
        elif held_bytes > _MOST_RECORD_BYTES:
            break
    if held:
        raise ValueError(f"a cell that begins in line {first:,} does not end")


def _cells(record: bytes, number: int) -> Sequence[str | None]:
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"line {number:,} is no UTF-8") from error
    if '"' not in text and text.endswith("\n") and "\r" not in text:
        return [cell or None for cell in text[:-1].split(",")]
    cells: list[str | None] = []
    position, end = 0, ","
    while end == ",":
        cell = _CELL.match(text, position)
        if cell is None:
            raise ValueError(f"the record in line {number:,} is broken")
        quoted, plain, end = cell.groups()
        cells.append((plain or None) if quoted is None else quoted.replace('""', '"'))
        position = cell.end()
    if position != len(text):
        raise ValueError(f"the record in line {number:,} is broken")
    return cells
