"""The values of a table's cells: from JSON to Python, by the type of the column.

Invariant: a value is what the source or the model gave, or it is left out and counted; it is never another one.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from anthropic_batches_provider.batches.output.misfits import Misfits
from anthropic_batches_provider.batches.output.table_columns import JSON, TableColumn
from anthropic_batches_provider.batches.undecodable import UNDECODABLE

MISFITS = (*UNDECODABLE, ValueError)
"""The errors by which decoding says that a value is none of its type; Python refuses integers of 4,300 digits so."""

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
_FIXED_BINARY = re.compile(r"fixed_size_binary\[\d+\]")
_INT64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""Of any other type, only rows have values, and these gave the type; an answer may hold any integer."""


class TableValues:
    """Turns the JSON of a row's cells into values.

    :param columns: the columns of the table.
    :ivar misfits: the number of values that their column cannot hold, by the column's name; such a cell is null.
    """

    def __init__(self, columns: Sequence[TableColumn]) -> None:
        self.misfits = Misfits()
        self._names = [column.name for column in columns]
        self._types = [value_type(column.type) for column in columns]
        self._decode = msgspec.json.Decoder(tuple[tuple(map(nullable, self._types))]).decode  # type: ignore[misc]
        self._texts = [
            (number, column.type) for number, column in enumerate(columns) if self._types[number] is msgspec.Raw
        ]

    def values(self, cells: Sequence[bytes | msgspec.Raw]) -> list[Any]:
        """Return the values of a row's cells; JSON of any shape is text."""
        try:
            values = list(self._decode(b"[" + b",".join(cells) + b"]"))
        except MISFITS:
            values = [self._value(number, cell) for number, cell in enumerate(cells)]
        for number, column_type in self._texts:
            values[number] = text_of(values[number], column_type=column_type)
        return values

    def _value(self, number: int, cell: bytes | msgspec.Raw) -> Any:
        try:
            return value_of(cell, self._types[number])
        except MISFITS:
            self.misfits[self._names[number]] += 1
            return None


def value_type(column_type: str) -> Any:
    """Return the Python type of a column's values, as msgspec decodes it; Raw for what becomes text."""
    if column_type == "int64":
        return _INT64
    if _INTEGERS.fullmatch(column_type):
        return int
    if _FIXED_BINARY.fullmatch(column_type):
        return bytes
    if column_type.startswith("decimal"):
        return Decimal
    return _PYTHON_TYPES.get(column_type, msgspec.Raw)


def nullable(kind: Any) -> Any:
    """Return a type of msgspec that takes null, too, as Raw does by itself."""
    return kind if kind is msgspec.Raw else kind | None


def value_of(cell: bytes | msgspec.Raw, kind: Any) -> Any:
    """Return the value of a cell, whatever the form of its numbers: ``1.0`` is an integer, as in JSON Schema.

    :param kind: the Python type of the column's values, as msgspec decodes it.
    :raises msgspec.MsgspecError: it is no such value; as the others of ``MISFITS``.
    """
    if kind is msgspec.Raw:
        return msgspec.Raw(cell)
    try:
        return msgspec.json.decode(cell, type=nullable(kind))
    except MISFITS:
        return msgspec.json.decode(msgspec.json.encode(_DECODE_NUMBERS(cell)), type=nullable(kind))


def _number(digits: str) -> int | float:
    """Return a number that has a point or an exponent: an integer, if it is one."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("no float holds it")
    exact = Decimal(digits)
    return int(exact) if number.is_integer() and exact == exact.to_integral_value() else number


_DECODE_NUMBERS = msgspec.json.Decoder(float_hook=_number).decode


def text_of(cell: bytes | msgspec.Raw, *, column_type: str = JSON) -> str | None:
    """Return the text of a cell: of a string its content, of anything else its JSON, and None for null."""
    content = bytes(cell)
    if content == b"null":
        return None
    if content.startswith(b'"') and column_type != JSON:
        text: str = msgspec.json.decode(content, type=str)
        return text
    return content.decode()
