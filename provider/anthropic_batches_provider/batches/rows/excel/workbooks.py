"""The reader of Excel workbooks (.xlsx, .xlsm): one sheet, one row of column names, and the rows below it.

Whatever a table of rows cannot hold is named by its address, and never guessed: errors, formulas that were not
calculated, merged cells, cells outside the named columns. Rows stream; only the shared texts are kept in memory.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from anthropic_batches_provider.batches.requests.wording import listed, shortened
from anthropic_batches_provider.batches.rows.excel.cell_addresses import CellRange, cell_range, column_letters
from anthropic_batches_provider.batches.rows.excel.cell_values import BadCellError, NotCalculatedError
from anthropic_batches_provider.batches.rows.excel.sheet_xml import RawCell, RawRow
from anthropic_batches_provider.batches.rows.excel.workbook_parts import (
    Sheet,
    Workbook,
    damage_as_broken_file,
    open_workbook,
)
from anthropic_batches_provider.batches.rows.plain_bytes import RowFile
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

_MERGED = "merged cells, whose value belongs to several cells. Unmerge them, and fill each cell"
_NOT_CALCULATED = (
    "filled by a formula that was not calculated. Open the workbook in Excel or LibreOffice, which calculates it, and "
    "save it"
)

Filled = list[tuple[int, object]]
"""The cells of a row that are not empty: their column, and their value or the :class:`.BadCellError` in its place."""


def read_workbook(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the rows of one sheet; an error in place of a row that cannot be read.

    Cells keep their type; an empty cell is None. Rows without content are no rows.

    :raises BrokenFileError: the workbook is damaged.
    :raises ConfigurationError: it is no workbook, or its sheet or the names of its columns cannot be told.
    """
    with damage_as_broken_file():
        workbook = open_workbook(file.stream, file.name)
        sheet = _chosen_sheet(workbook, file)
        if sheet is not None:
            yield from _Table(file, workbook, sheet).rows()


def refuse_ready_requests(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Refuse a workbook in place of ready requests.

    :raises ConfigurationError: always.
    """
    raise ConfigurationError(
        f"{file.name} is read as {file.format_name}, whose cells hold no objects, but a ready request does. Give the "
        "workbook as rows=, with a prompt= or a request_builder= that makes a request of each row; or write the "
        "requests as JSON Lines. Nothing was sent."
    )


def _chosen_sheet(workbook: Workbook, file: RowFile) -> Sheet | None:
    """Return the sheet that the options name, else the only one with content; None if none has.

    :raises ConfigurationError: there is no such sheet, or several have content.
    """
    option, sheets = file.options.sheet, workbook.sheets
    if option is None:
        filled = [each for each in sheets if any(filled_cells(workbook, row) for _, row in workbook.rows(each))]
        if len(filled) > 1:
            raise ConfigurationError(
                f"{file.name} has {len(filled)} sheets with content: {_names(filled)}. Name the one to read, as in "
                f"files(…, sheet={filled[0].name!r}). Nothing was sent."
            )
        return filled[0] if filled else None
    named = next((each for each in sheets if each.name == option), None)
    number = int(option) if isinstance(option, int) or (option.isascii() and option.isdecimal()) else 0
    if named is None and 1 <= number <= len(sheets):
        return sheets[number - 1]
    if named is None:
        raise ConfigurationError(
            f"{file.name} has no sheet {option!r}. Its sheets: {_names(sheets)}. Correct sheet=. Nothing was sent."
        )
    return named


def _names(sheets: list[Sheet] | tuple[Sheet, ...]) -> str:
    return listed(f"{each.name!r} (hidden)" if each.is_hidden else repr(each.name) for each in sheets)


def filled_cells(workbook: Workbook, cells: list[RawCell]) -> Filled:
    """Return the cells of a row that are not empty."""
    filled: Filled = []
    value: object
    for cell in cells:
        try:
            value = workbook.decoder.value(cell)
        except BadCellError as error:
            value = error
        if value is not None:
            filled.append((cell.column, value))
    return filled


@dataclass
class _Ranges:
    """The ranges whose cells have no value of their own, taken in the order of their first rows."""

    coming: list[tuple[CellRange, str]] = field(default_factory=list)
    current: list[tuple[CellRange, str]] = field(default_factory=list)

    def covering(self, row: int) -> list[tuple[CellRange, str]]:
        """Return the ranges that cover a row, with the problem; rows are asked for in order."""
        while self.coming and self.coming[-1][0].first_row <= row:
            self.current.append(self.coming.pop())
        if self.current:
            self.current = [each for each in self.current if each[0].last_row >= row]
        return self.current


class _Table:
    """The rows of a sheet below the names of its columns."""

    def __init__(self, file: RowFile, workbook: Workbook, sheet: Sheet) -> None:
        self._file = file
        self._workbook = workbook
        self._sheet = sheet
        self._columns: dict[int, str] = {}
        self._nulls = frozenset(file.options.null_values)
        self._merged = workbook.merged_ranges(sheet)
        self._ranges = _Ranges([(each, _MERGED) for each in reversed(self._merged)])

    def rows(self) -> Iterator[dict[str, Any] | InvalidRowError]:
        rows = self._workbook.rows(self._sheet)
        if not self._read_names(rows):
            return
        for row_number, (number, cells) in enumerate(self._with_content(rows), self._file.first_row_number):
            problem = self._problem(number, cells)
            if problem is None:
                yield self._row(cells)
            else:
                yield InvalidRowError(f"{self._file.name}, {problem}.", row_number=row_number)

    def _read_names(self, rows: Iterator[RawRow]) -> bool:
        """Take the names of the columns; return False if there is no content at all.

        :raises ConfigurationError: the names cannot be told, or the row of names is empty.
        """
        header_row = self._file.options.header_row
        number, cells = 0, Filled()
        for number, cells in self._with_content(rows):  # noqa: B007
            if number >= header_row:
                break
        if not number:
            return False
        if number != header_row:
            self._refuse_header(header_row, number)
        self._check_header(header_row)
        for column, value in cells:
            self._take_name(header_row, column, value)
        return True

    def _refuse_header(self, header_row: int, filled_row: int) -> NoReturn:
        self._refuse(
            f"has no column names in row {header_row} of sheet {shortened(self._sheet.name)!r}. Give the number of the "
            f"row that holds them, as in files(…, header_row={filled_row})."
        )

    def _with_content(self, rows: Iterator[RawRow]) -> Iterator[tuple[int, Filled]]:
        """Yield the rows that are not empty, and note which cells their formulas leave without a value."""
        for number, cells in rows:
            filled = filled_cells(self._workbook, cells)
            if not filled:
                continue
            yield number, filled
            without = {column for column, value in filled if isinstance(value, NotCalculatedError)}
            self._ranges.current += [
                (cell_range(cell.formula_range), _NOT_CALCULATED)
                for cell in cells
                if cell.formula_range is not None and cell.column in without
            ]

    def _check_header(self, row: int) -> None:
        merged = next((each for each in self._merged if each.first_row <= row <= each.last_row), None)
        if merged is not None:
            self._refuse(
                f"has merged cells among the column names of row {row}: {self._address(merged.address)}. Unmerge them, "
                "or give the row that names each column as header_row=."
            )

    def _take_name(self, row: int, column: int, value: object) -> None:
        address = self._cell_address(column, row)
        if isinstance(value, BadCellError):
            self._refuse(f"has no column name in {address}: {value}.")
        name = _name(value)
        same = next((each for each, known in self._columns.items() if known == name), None)
        if same is not None:
            self._refuse(
                f"has two columns named {shortened(name, 40)!r}: {self._cell_address(same, row)} and "
                f"{address}. Rename one of them."
            )
        self._columns[column] = name

    def _problem(self, number: int, cells: Filled) -> str | None:
        """Return the address at fault in a row, with the problem; None if there is none."""
        for found, problem in self._ranges.covering(number):
            if any(found.first_column <= column <= found.last_column for column in self._columns):
                return f"row {number}: {self._address(found.address)}: {problem}"
        for column, value in cells:
            if isinstance(value, BadCellError):
                return f"{self._cell_address(column, number)}: {value}"
            if column not in self._columns:
                return (
                    f"{self._cell_address(column, number)}: a cell outside the named columns. Name its column in row "
                    f"{self._file.options.header_row}, or say which row holds the names: files(…, header_row=…)"
                )
        return None

    def _row(self, cells: Filled) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(self._columns.values())
        for column, value in cells:
            if not self._nulls or type(value) is not str or value not in self._nulls:
                row[self._columns[column]] = value
        return row

    def _cell_address(self, column: int, row: int) -> str:
        return self._address(f"{column_letters(column)}{row}")

    def _address(self, address: str) -> str:
        """Return an address as Excel writes it, with the sheet."""
        name = shortened(self._sheet.name)
        return f"{name}!{address}" if name.isidentifier() else f"'{name}'!{address}"

    def _refuse(self, problem: str) -> NoReturn:
        raise ConfigurationError(f"{self._file.name} {problem} Nothing was sent.")


def _name(value: object) -> str:
    """Return the name of a column as text."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)
