"""What a cell of a workbook holds, as a value of Python: by its stored type, its number format and the date system."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from anthropic_batches_provider.batches.rows.excel.sheet_xml import RawCell, unescaped

_DAY_MS = 24 * 60 * 60 * 1000
_EPOCH_1900 = datetime.datetime.fromisoformat("1899-12-30")
_EPOCH_1904 = datetime.datetime.fromisoformat("1904-01-01")
_NO_SUCH_DAY = 60  # Excel counts 1900-02-29, a day that never was
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_EAST_ASIAN_DATES = (*range(27, 37), *range(50, 59))
"""Number formats without a code, which only East Asian versions of Excel show: ECMA-376, part 1, 18.8.30."""

_CALCULATE = "Open the workbook in Excel or LibreOffice, which calculates it, and save it"


class BadCellError(Exception):
    """A cell has no value that could be meant. The message is a sentence, and one with the way in."""


class NotCalculatedError(BadCellError):
    """The cell's formula, and with it all cells that it fills, has no value, or none to rely on."""


class NumberKind(Enum):
    """What a cell's number means by its format."""

    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    DATE_AND_TIME = "date and time"
    DURATION = "duration"


@dataclass(frozen=True, kw_only=True)
class CellDecoder:
    """Makes values of the cells of one workbook.

    :ivar texts: the shared texts.
    :ivar styles: what the numbers of cells of each style mean.
    :ivar counts_from_1904: whether dates are in the 1904 date system.
    :ivar is_calculated: whether the stored values of formulas are what they result in.
    """

    texts: Sequence[str]
    styles: Sequence[NumberKind]
    counts_from_1904: bool
    is_calculated: bool

    def value(self, cell: RawCell) -> object:
        """Return the value of a cell; None if it is empty, or has a text of no characters.

        :raises BadCellError: it has an error, or a formula that was not calculated.
        """
        if cell.has_formula:
            self._check_formula(cell)
        if not cell.text:
            return None
        try:
            value = self._stored(cell)
        except (ValueError, LookupError, OverflowError):
            raise BadCellError("its stored value cannot be read. Enter it again in the workbook") from None
        return None if value == "" else value

    def _check_formula(self, cell: RawCell) -> None:
        if not cell.text and cell.kind != "str":
            raise NotCalculatedError(f"a formula without a calculated value. {_CALCULATE}")
        if not self.is_calculated:
            raise NotCalculatedError(
                "a formula whose stored value may be a placeholder: the program that wrote the workbook leaves the "
                f"calculation to Excel. {_CALCULATE}"
            )

    def _stored(self, cell: RawCell) -> object:
        kind, text = cell.kind, cell.text
        if kind == "s":
            return self.texts[_index(text)]
        if kind in ("str", "inlineStr"):
            return unescaped(text)
        if kind == "n":
            style = self.styles[cell.style] if cell.style < len(self.styles) else NumberKind.NUMBER
            return number_value(_number(text), style, counts_from_1904=self.counts_from_1904)
        if kind == "b":
            return {"1": True, "0": False, "true": True, "false": False}[text]
        if kind == "d":
            return _iso_value(text)
        if kind == "e":
            raise BadCellError(f"{text[:20]}, an error. Correct it in the workbook")
        raise ValueError(kind)


def number_kinds(format_ids: Sequence[int], codes: Mapping[int, str]) -> tuple[NumberKind, ...]:
    """Return what numbers mean in each style.

    :param format_ids: the id of each style's number format.
    :param codes: the formats that the workbook itself defines.
    """
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    kinds = {
        each: NumberKind.DATE
        if each in _EAST_ASIAN_DATES and each not in codes
        else number_kind(codes.get(each) or BUILTIN_FORMATS.get(each, ""))
        for each in set(format_ids)
    }
    return tuple(kinds[each] for each in format_ids)


def number_kind(code: str) -> NumberKind:
    """Return what numbers mean that have this number format, by its first section."""
    from openpyxl.styles.numbers import is_date_format, is_timedelta_format

    section = code.split(";")[0]
    if is_timedelta_format(section):
        return NumberKind.DURATION
    if not is_date_format(section):
        return NumberKind.NUMBER
    letters = set(_LITERALS.sub("", section).lower())
    has_time, has_date = bool(letters & set("hs")), bool(letters & set("yd"))
    if has_time:
        return NumberKind.DATE_AND_TIME if has_date else NumberKind.TIME
    return NumberKind.DATE


def number_value(value: float, kind: NumberKind, *, counts_from_1904: bool) -> object:
    """Return what a number of this kind is: a date and time is counted in days, to the millisecond.

    :raises BadCellError: it is no date that can be.
    :raises OverflowError: it is later than the year 9999, or far too early.
    """
    if kind is NumberKind.NUMBER:
        return value
    milliseconds = round(value * _DAY_MS)
    if kind is NumberKind.DURATION:
        return datetime.timedelta(milliseconds=milliseconds)
    days, in_day = divmod(milliseconds, _DAY_MS)
    if days == 0 and (kind is NumberKind.TIME or (not counts_from_1904 and in_day)):
        return (_EPOCH_1904 + datetime.timedelta(milliseconds=in_day)).time()
    if not counts_from_1904:
        days = _days_since_1899(days)
    moment = (_EPOCH_1904 if counts_from_1904 else _EPOCH_1900) + datetime.timedelta(days=days, milliseconds=in_day)
    return moment.date() if kind is NumberKind.DATE and not in_day else moment


def _days_since_1899(days: int) -> int:
    """Return the days since 1899-12-30, of which Excel counts those before March 1900 differently."""
    if days == 0:
        raise BadCellError("0 as a date, which Excel shows as 1900-01-00. Enter the date, or clear the cell")
    if days == _NO_SUCH_DAY:
        raise BadCellError("1900-02-29, a day that never was. Correct it in the workbook")
    return days + 1 if 0 < days < _NO_SUCH_DAY else days


def _index(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    """Return a number as an int if it is written as one."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _iso_value(text: str) -> object:
    """Return a date, a time, or both, of text in the form of ISO 8601."""
    if "T" in text.lstrip("T"):
        return datetime.datetime.fromisoformat(text)
    return datetime.date.fromisoformat(text) if "-" in text else datetime.time.fromisoformat(text)
