"""Rows as the text that PostgreSQL's COPY reads, for psycopg2, which has no writer of its own."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any

_NULL = r"\N"
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
_must_be_escaped = re.compile(r"[\\\n\r\t]").search


class CopyText:
    """A file from which psycopg2 reads rows: no more of them are in memory than one read needs.

    :param rows: their values.
    """

    def __init__(self, rows: Iterator[Sequence[Any]]) -> None:
        self._lines = (copy_line(row) for row in rows)

    def read(self, size: int = 1 << 13) -> str:
        """Return at least ``size`` characters, in whole lines; fewer at the end, and then none."""
        found, length = [], 0
        for line in self._lines:
            found.append(line)
            length += len(line)
            if length >= size:
                break
        return "".join(found)


def copy_line(row: Sequence[Any]) -> str:
    """Return a row as a line.

    :raises TypeError: a value is of a type that has no text here.
    """
    return "\t".join([_TEXTS.get(type(value), _other_text)(value) for value in row]) + "\n"


def _text(value: str) -> str:
    return value if _must_be_escaped(value) is None else value.translate(_ESCAPED)


def _other_text(value: Any) -> str:
    """Return the text of a value of a rare type, or of a type derived from one of the others."""
    for kind, text in _TEXTS.items():
        if isinstance(value, kind):
            return text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return rf"\\x{bytes(value).hex()}"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be loaded")


_TEXTS: dict[type, Callable[[Any], str]] = {
    NoneType: lambda _: _NULL,
    str: _text,
    bool: lambda value: "t" if value else "f",
    int: str,
    float: str,
    Decimal: str,
}
