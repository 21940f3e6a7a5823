"""The quotation marks of CSV cells: which cells of a record have blanks before them, and so mean something else."""

from __future__ import annotations

import re


class CellMarks:
    """Finds cells of a record that have blanks before their quotation mark, which no cell in quotation marks has.

    :ivar after_blanks: what a record without any of these two has no such cell; quick to look for.
    """

    def __init__(self, delimiter: str) -> None:
        mark = re.escape(delimiter.encode())
        blanks = b" \t".replace(delimiter.encode(), b"")
        self.after_blanks = (blanks[:1] + b'"', blanks[-1:] + b'"')
        self._cell = re.compile(rb'(^|%b)"[^"]*(?:""[^"]*)*"' % mark)
        self._cell_after_blanks = re.compile(rb'(^|%b)[%b]+"[^"]*(?:""[^"]*)*"' % (mark, blanks))
        self._blanks = re.compile(rb'(?:^|%b)[%b]+"' % (mark, blanks))

    def has_blanks(self, record: bytes) -> bool:
        """Return whether a cell has blanks before its quotation mark."""
        return self._blanks.search(self._without_cells(record)) is not None

    def is_open(self, record: bytes) -> bool:
        """Return whether a cell with blanks before its quotation mark has no other quotation mark that closes it."""
        rest = self._cell_after_blanks.sub(rb"\1", self._without_cells(record))
        return self._blanks.search(rest) is not None

    def _without_cells(self, record: bytes) -> bytes:
        return self._cell.sub(rb"\1", record)
