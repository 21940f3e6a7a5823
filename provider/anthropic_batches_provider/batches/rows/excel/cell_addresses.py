"""Addresses of cells and ranges in a workbook, such as ``AB12`` and ``A1:C3``."""

from __future__ import annotations

import re
from typing import NamedTuple

_MOST_COLUMNS = 1 << 14
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})(?::([A-Z]{1,3})([1-9][0-9]{0,6}))?")


class UnreadableXmlError(Exception):
    """The XML of a workbook is not as it must be. The message completes a sentence."""


class CellRange(NamedTuple):
    """A range of cells; its bounds count from 1 and belong to it."""

    address: str
    first_row: int
    last_row: int
    first_column: int
    last_column: int


def column_letters(column: int) -> str:
    """Return the letters of a column, such as ``AB`` for 28."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def column_number(letters: str) -> int:
    """Return the number of a column, such as 28 for ``AB``.

    :raises UnreadableXmlError: these are no letters of a column.
    """
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1 if "A" <= letter <= "Z" else _MOST_COLUMNS + 1
    if not 0 < number <= _MOST_COLUMNS:
        raise UnreadableXmlError("a cell's address is none")
    return number


def cell_range(address: str) -> CellRange:
    """Return the range that an address such as ``A1:C3`` names.

    :raises UnreadableXmlError: it names none.
    """
    found = _REFERENCE.fullmatch(address.replace("$", ""))
    if found is None:
        raise UnreadableXmlError("the address of a range is none")
    left, top, right, bottom = found.groups()
    columns = sorted((column_number(left), column_number(right or left)))
    rows = sorted((int(top), int(bottom or top)))
    return CellRange(address, rows[0], rows[1], columns[0], columns[1])
