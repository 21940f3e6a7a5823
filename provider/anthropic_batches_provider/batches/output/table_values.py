"""The values of a table's cells: from JSON to Python, by the type of the column.

Invariant: a value is what the source or the model gave, or it is left out and counted; it is never another one.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from anthropic_batches_provider.batches.output.table_columns import JSON, TableColumn
from anthropic_batches_provider.batches.undecodable import UNDECODABLE

_PYTHON_TYPES: dict[str, Any] = {
    "bool": bool,
    "double": float,
    "float": float,
    "halffloat": float,
    "binary": bytes,
    "large_binary": bytes,
    "date32[day]": datetime.date,
}
_INTEGERS = re.compile(r"u?int(8|16|32|64)")


class TableValues:
    """Turns the JSON of a row's cells into values.

    :param columns: the columns of the table.
    :ivar misfits: the number of values that their column cannot hold, by the column's name; such a cell is null.
    """

    def __init__(self, columns: Sequence[TableColumn]) -> None:
        self.misfits: Counter[str] = Counter()
        self._names = [column.name for column in columns]
        self._types = [value_type(column.type) for column in columns]
        nullable = [kind if kind is msgspec.Raw else kind | None for kind in self._types]
        self._decode = msgspec.json.Decoder(tuple[tuple(nullable)]).decode  # type: ignore[misc]
        self._texts = [
            (number, column.type) for number, column in enumerate(columns) if self._types[number] is msgspec.Raw
        ]

    def values(self, cells: Sequence[bytes | msgspec.Raw]) -> list[Any]:
        """Return the values of a row's cells; JSON of any shape is text."""
        try:
            values = list(self._decode(b"[" + b",".join(cells) + b"]"))
        except UNDECODABLE:
            values = [self._value(number, cell) for number, cell in enumerate(cells)]
        for number, column_type in self._texts:
            values[number] = text_of(values[number], column_type=column_type)
        return values

    def _value(self, number: int, cell: bytes | msgspec.Raw) -> Any:
        kind = self._types[number]
        if kind is msgspec.Raw:
            return msgspec.Raw(cell)
        try:
            return msgspec.json.decode(cell, type=kind | None)
        except UNDECODABLE:
            self.misfits[self._names[number]] += 1
            return None


def value_type(column_type: str) -> Any:
    """Return the Python type of a column's values, as msgspec decodes it; Raw for what becomes text."""
    if _INTEGERS.fullmatch(column_type):
        return int
    if column_type.startswith("decimal"):
        return Decimal
    return _PYTHON_TYPES.get(column_type, msgspec.Raw)


def text_of(cell: bytes | msgspec.Raw, *, column_type: str = JSON) -> str | None:
    """Return the text of a cell: of a string its content, of anything else its JSON, and None for null."""
    content = bytes(cell)
    if content == b"null":
        return None
    if content.startswith(b'"') and column_type != JSON:
        text: str = msgspec.json.decode(content, type=str)
        return text
    return content.decode()
