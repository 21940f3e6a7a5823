"""The readers of CSV and TSV: a header, then a row per record, as RFC 4180 and spreadsheets write them.

Every cell is text, exactly as it is written; nothing is guessed. Memory holds one record. Invariant: where a quotation
mark leaves it unclear where the next record begins, the file is refused; rows are never lost in a cell.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.requests import ReadyLine
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.batches.rows.cell_marks import CellMarks
from anthropic_batches_provider.batches.rows.plain_bytes import MAX_LINE_BYTES, RowFile
from anthropic_batches_provider.batches.rows.text_encodings import as_stored, encoding_problem
from anthropic_batches_provider.batches.rows.wrong_formats import (
    check_zero_bytes,
    marked_inside,
    recognized_in_header,
    refuse,
)
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

MAX_RECORD_BYTES = 32 << 20
"""The most bytes of a record of several lines. An unclosed quotation mark would take the rest of the file with it."""

_UTF8_BOM = b"\xef\xbb\xbf"
_OTHER_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


def read_csv(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the rows of a CSV file; an error in place of a record that is no row of the table.

    :raises BrokenFileError: as :meth:`.RowFile.lines`.
    :raises ConfigurationError: the file has another format, no usable header, or a quotation mark that is not closed.
    """
    return _Table(file, file.options.delimiter or ",").rows()


def read_tsv(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the rows of a TSV file; yield and raise the same errors as :func:`read_csv`."""
    return _Table(file, file.options.delimiter or "\t").rows()


def refuse_ready_requests(file: RowFile) -> Iterator[ReadyLine | dict[str, Any] | InvalidRowError]:
    """Refuse a table of text in place of ready requests.

    :raises ConfigurationError: always.
    """
    raise ConfigurationError(
        f"{file.name} is read as {file.format_name}, whose cells are text, but a ready request holds objects. Give the "
        "table as rows=, with a prompt= or a request_builder= that makes a request of each row; or write the requests "
        "as JSON Lines. Nothing was sent."
    )


class _Table:
    """Reads one file.

    The lines of the record that is being read are kept, because errors name and show them.
    """

    def __init__(self, file: RowFile, delimiter: str) -> None:
        self._file = file
        self._delimiter = delimiter
        self._record: list[bytes] = []
        self._is_flawed = False  # the record has bytes that are no text
        self._may_have_blanks = False  # the record has a quotation mark after a blank, inside or outside a cell
        self._cell_marks = CellMarks(delimiter)
        if csv.field_size_limit() < MAX_LINE_BYTES:
            csv.field_size_limit(MAX_LINE_BYTES)  # of the whole process, which may only gain by it
        self._reader = csv.reader(self._lines(), delimiter=delimiter, strict=True)

    def rows(self) -> Iterator[dict[str, Any] | InvalidRowError]:
        names = self._header()
        width = len(names)
        header = names if width > 1 else None
        record = self._record
        nulls = frozenset(self._file.options.null_values)
        row_number = self._file.first_row_number
        values: Sequence[str | None]
        row: dict[str, Any] | InvalidRowError
        while True:
            try:
                for cells in self._reader:
                    if self._may_have_blanks and (problem := self._blank_problem(cells)) is not None:
                        row = self._invalid_row(problem, row_number)
                    elif len(cells) == width and cells != header and not self._is_flawed:
                        values = [None if cell in nulls else cell for cell in cells] if nulls else cells
                        row = dict(zip(names, values, strict=True))
                    elif _is_blank(cells) and width != len(cells):
                        record.clear()
                        continue
                    else:
                        row = self._invalid_row(self._problem(cells, width), row_number)
                    record.clear()
                    yield row
                    row_number += 1
                return
            except csv.Error as error:
                row = self._invalid_row(self._quoting_problem(error), row_number)
            record.clear()
            yield row
            row_number += 1

    def _lines(self) -> Iterator[str]:
        """Yield the lines as text; a byte that is no text becomes a lone surrogate, and the record is flawed."""
        record = self._record
        after_blank, after_tab = self._cell_marks.after_blanks
        record_bytes = 0
        for line in self._file.lines():
            if record:
                record_bytes += len(line)
                if record_bytes > MAX_RECORD_BYTES:
                    self._refuse_unclosed()
            else:
                record_bytes = len(line)
                if line.startswith(_UTF8_BOM):
                    refuse(self._file.name, marked_inside(line, self._reader.line_num + 1) or "", line)
            record.append(line)
            if b"\0" in line:
                check_zero_bytes(line, name=self._file.name, line_number=self._reader.line_num + 1)
            if b'"' in line and (after_blank in line or after_tab in line):
                self._may_have_blanks = True
            try:
                text = line.decode()
            except UnicodeDecodeError:
                self._is_flawed = True
                text = line.decode(errors="surrogateescape")
            yield text

    def _header(self) -> list[str]:
        """Return the names of the columns; nothing if the file is empty."""
        is_first = True
        try:
            for cells in self._reader:
                if _is_blank(cells) or (is_first and self._is_separator_line()):
                    is_first = is_first and _is_blank(cells)
                    self._record.clear()
                    continue
                self._check_header(cells)
                self._record.clear()
                return cells
        except csv.Error as error:
            self._refuse_header(recognized_in_header(self._record[0]) or self._quoting_problem(error))
        return []

    def _is_separator_line(self) -> bool:
        """Return whether the record is Excel's `sep=;`, which names the delimiter and is no header.

        :raises ConfigurationError: it names another delimiter than the one in use.
        """
        found = _SEPARATOR_LINE.fullmatch(self._record[0].decode(errors="replace"))
        if found is None:
            return False
        if found[1] != self._delimiter:
            refuse(
                self._file.name,
                f"says in line {self._first_line} that {found[1]!r} separates its cells, but it is read with "
                f"{self._delimiter!r}. Give `files(uri, delimiter={found[1]!r})`.",
                self._record[0],
            )
        return True

    def _check_header(self, names: list[str]) -> None:
        problem = recognized_in_header(self._record[0])
        if problem is not None:
            refuse(self._file.name, problem, self._record[0])
        if self._is_flawed:
            self._refuse_header(self._encoding_problem())
        if self._may_have_blanks and (problem := self._blank_problem(names)) is not None:
            self._refuse_header(problem)
        repeated = [name for name, times in Counter(names).items() if times > 1]
        if repeated:
            named = (
                f"the column {shortened(repeated[0], 40)!r} twice" if repeated[0] else "several columns without a name"
            )
            self._refuse_header(f"{named}, of which a row could keep only one. Rename or remove one.")
        found = [mark for mark in _OTHER_DELIMITERS if mark != self._delimiter and mark in names[0]]
        if len(names) == 1 and found and self._file.options.delimiter is None:
            mark = max(found, key=names[0].count)
            self._refuse_header(
                f"one column, whose name contains {mark!r}. Give `files(uri, delimiter={mark!r})`; "
                f"or `delimiter={self._delimiter!r}`, if it is one column."
            )

    def _refuse_header(self, problem: str) -> NoReturn:
        refuse(
            self._file.name, f"has a header that cannot be used, in line {self._first_line}: {problem}", self._record[0]
        )

    def _problem(self, cells: list[str], width: int) -> str:
        """Return why a record is no row of the table, and the fix, in sentences."""
        if self._is_flawed:
            return self._encoding_problem()
        if len(cells) == width:
            return "repeats the header, as when files are joined by `cat`. Give them one by one, with `*`."
        numbers = f"{counted(len(cells), 'cell')}, but the header names {counted(width, 'column')}."
        if len(cells) > width:
            other = " If the columns are separated by another character, give delimiter=." if width == 1 else ""
            return f"{numbers} Put a cell that contains {self._delimiter!r} into quotation marks.{other}"
        if not self._record[-1].endswith(b"\n"):
            refuse(
                self._file.name,
                f"seems to be cut short: line {self._first_line}, its last, has {numbers} "
                "Write or copy the file again; further rows may be missing.",
                self._record[0],
            )
        return f"{numbers} Write an empty cell for a missing value."

    def _blank_problem(self, cells: list[str]) -> str | None:
        """Return that a cell of the record has blanks before its quotation mark, and the fix; None if none has.

        :raises ConfigurationError: the cell is not closed, so that it is unclear where the next record begins.
        """
        self._may_have_blanks = False
        if not any(cell[:1] in " \t" and cell.lstrip(" \t").startswith('"') for cell in cells):
            return None
        text = b"".join(self._record)
        if not self._cell_marks.has_blanks(text):
            return None
        if self._are_marks_odd or self._cell_marks.is_open(text):
            refuse(
                self._file.name,
                f"has a cell in {self._its_lines} with a blank before its quotation mark, which is not closed there, "
                f"so it is unclear where the next row begins. {_NO_BLANK}",
                self._record[0],
            )
        self._is_flawed = False
        return f"a blank before the quotation mark of a cell. {_NO_BLANK}"

    def _quoting_problem(self, error: csv.Error) -> str:
        """Return why a record cannot be cut into cells, and the fix, in sentences.

        :raises ConfigurationError: it is unclear where the next record begins.
        """
        self._may_have_blanks = False
        is_carriage_return = "new-line" in str(error)
        if "unexpected end" in str(error):
            self._refuse_unclosed()
        if self._are_marks_odd or (len(self._record) > 1 and not is_carriage_return):
            refuse(
                self._file.name,
                f"has quotation marks in {self._its_lines} that do not match, so it is unclear where the "
                f"next row begins. {_DOUBLE}",
                self._record[0],
            )
        if self._is_flawed:
            return self._encoding_problem()
        if is_carriage_return:
            return (
                "a carriage return inside the line. If all lines end so, write line feeds, for example with "
                r"`tr '\r' '\n'`; if it belongs to a cell, put the cell into quotation marks."
            )
        if "field limit" in str(error):
            return f"a cell of more than {csv.field_size_limit():,} characters, which cannot be sent."
        return f"a quotation mark inside a cell that is in quotation marks. {_DOUBLE}"

    def _refuse_unclosed(self) -> NoReturn:
        refuse(
            self._file.name,
            f"has a quotation mark in line {self._opening_line} that is not closed before the file ends, or within "
            f"{MAX_RECORD_BYTES >> 20} MB: the rows after it would become one cell. Close it, or double it if it is "
            'part of the cell (""). If the file is cut short, write or copy it again.',
            self._record[0],
        )

    def _encoding_problem(self) -> str:
        self._is_flawed = False
        return encoding_problem(next(filter(_is_no_text, self._record)), self._file.options.encoding)

    def _invalid_row(self, problem: str, row_number: int) -> InvalidRowError:
        return InvalidRowError(
            f"{self._file.name}, line {self._first_line}: {problem} "
            f"The line begins: {shortened(as_stored(self._record[0]).rstrip())}",
            row_number=row_number,
        )

    @property
    def _are_marks_odd(self) -> bool:
        return sum(line.count(b'"') for line in self._record) % 2 == 1

    @property
    def _first_line(self) -> int:
        """The number of the record's first line."""
        return self._reader.line_num - len(self._record) + 1

    @property
    def _its_lines(self) -> str:
        first, last = self._first_line, self._reader.line_num
        return f"line {first}" if first == last else f"lines {first} to {last}"

    @property
    def _opening_line(self) -> int:
        """The number of the line where the cell began that is still open at the end of the record."""
        inside = False
        opening = 0
        for number, line in enumerate(self._record):
            marks = line.replace(b'""', b"").count(b'"')
            inside ^= marks % 2 == 1
            if marks and inside:
                opening = number
        return self._first_line + opening


_DOUBLE = 'Double a quotation mark that belongs to a cell ("").'
_NO_BLANK = (
    "Remove the blank; if blank and quotation mark belong to the cell, put the cell into quotation marks and double "
    'those in it ("").'
)


def _is_blank(cells: list[str]) -> bool:
    return not cells or (len(cells) == 1 and cells[0].isspace())


def _is_no_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return True
    return False
