"""An answered row as the cells of a table: the JSON of each column, in order.

The JSON is what the row and its result hold, so that each kind of table converts it once, by the column's type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import MESSAGE, ChosenColumn, RowLayout
from anthropic_batches_provider.batches.output.table_columns import table_columns
from anthropic_batches_provider.batches.usage import Usage

_NULL = msgspec.Raw(b"null")
_DECODE_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ENCODE = msgspec.json.Encoder().encode


class TableRows:
    """Makes cells of answered rows.

    :param layout: which columns the rows have.
    """

    def __init__(self, layout: RowLayout) -> None:
        self.columns = table_columns(layout)
        self._own = [column.name for column in self.columns if column.chosen is None]
        self._result = [_reader(column.chosen, layout) for column in self.columns if column.chosen is not None]

    def cells(self, row: AnsweredRow) -> list[bytes | msgspec.Raw]:
        """Return the JSON of each cell, in the order of the columns."""
        own = _DECODE_FIELDS(row.columns) if self._own else {}
        cells: list[bytes | msgspec.Raw] = [own.get(name, _NULL) for name in self._own]
        fields = _Fields(row)
        cells += [read(fields) for read in self._result]
        return cells


class _Fields:
    """An answered row, of which the answer and the usage are taken apart at most once."""

    __slots__ = ("_answer", "_usage", "row")

    def __init__(self, row: AnsweredRow) -> None:
        self.row = row
        self._answer: dict[str, msgspec.Raw] | None = None
        self._usage: Usage | None = None

    def answer(self, field: str) -> bytes | msgspec.Raw:
        if self._answer is None:
            parsed = self.row.parsed
            self._answer = {} if parsed is None or bytes(parsed) == b"null" else _DECODE_FIELDS(parsed)
        return self._answer.get(field, _NULL)

    def usage(self, field: str) -> bytes | msgspec.Raw:
        if self.row.result.usage is None:
            return _NULL
        if self._usage is None:
            self._usage = Usage.from_api(self.row.result.usage)
        return _NULL if self._usage.unreported_requests else _ENCODE(getattr(self._usage, field))


def _reader(chosen: ChosenColumn, layout: RowLayout) -> Callable[[_Fields], bytes | msgspec.Raw]:
    """Return a function that returns the JSON of a column of the result."""
    column, field = chosen.column, chosen.field
    if field is not None:
        return (lambda fields: fields.usage(field)) if column.name == "usage" else lambda fields: fields.answer(field)
    if column is MESSAGE:
        return lambda fields: fields.row.result.message or _NULL
    path = column.value
    if not isinstance(path, str):
        return lambda fields: _ENCODE(path(fields.row, layout))
    names: Sequence[str] = path.split(".")

    def read(fields: _Fields) -> bytes | msgspec.Raw:
        value: Any = fields.row
        for name in names:
            value = getattr(value, name)
        return _NULL if value is None else value if isinstance(value, msgspec.Raw) else _ENCODE(value)

    return read
