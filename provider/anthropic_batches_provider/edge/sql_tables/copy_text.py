"""Rows as the text that PostgreSQL's COPY reads, for psycopg2, which has no writer of its own."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

_NULL = r"\N"
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


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
    return "\t".join([_copy_text(value) for value in row]) + "\n"


def _copy_text(value: Any) -> str:
    if value is None:
        return _NULL
    if isinstance(value, str):
        return value.translate(_ESCAPED)
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return rf"\\x{bytes(value).hex()}"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be loaded")
