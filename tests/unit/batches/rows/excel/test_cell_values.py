"""What a number means by its format, and how dates are counted."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from anthropic_batches_provider.batches.rows.excel.cell_values import (
    BadCellError,
    NumberKind,
    number_kind,
    number_kinds,
    number_value,
)

at = datetime.datetime.fromisoformat


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("General", NumberKind.NUMBER),
        ("", NumberKind.NUMBER),
        ("@", NumberKind.NUMBER),
        ("0.00E+00", NumberKind.NUMBER),
        ('0" days"', NumberKind.NUMBER),
        (r"0\ \d", NumberKind.NUMBER),
        ("[Red]#,##0;[Blue]-d", NumberKind.NUMBER),
        ("[$USD-409]#,##0.00", NumberKind.NUMBER),
        ("[>=100]0;d", NumberKind.NUMBER),
        ("yyyy-mm-dd", NumberKind.DATE),
        ("YYYY/MM/DD", NumberKind.DATE),
        ("mmm-yy", NumberKind.DATE),
        ("mmmm", NumberKind.DATE),
        ("[$-F800]dddd, mmmm dd, yyyy", NumberKind.DATE),
        ('d. mmmm yyyy "hs"', NumberKind.DATE),
        ('yyyy"年"m"月"d"日"', NumberKind.DATE),
        ("h:mm AM/PM", NumberKind.TIME),
        ("mm:ss.0", NumberKind.TIME),
        ("[$-F400]h:mm:ss AM/PM", NumberKind.TIME),
        ("yyyy-mm-dd h:mm:ss", NumberKind.DATE_AND_TIME),
        ("[h]:mm:ss", NumberKind.DURATION),
        ("[mm]:ss", NumberKind.DURATION),
        ("[ss].0", NumberKind.DURATION),
    ],
)
def test_a_format_says_what_a_number_means(code: str, kind: NumberKind) -> None:
    assert number_kind(code) is kind


def test_formats_are_known_by_their_ids_too() -> None:
    ids = [0, 9, 14, 20, 22, 31, 46, 57, 164, 165, 31]
    kinds = number_kinds(ids[:8], {164: "yyyy"}) + number_kinds(ids[8:], {164: "yyyy", 31: "0.0"})
    assert [kind.value for kind in kinds] == [
        "number", "number", "date", "time", "date and time", "date", "duration", "date", "date", "number", "number",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "kind", "value"),
    [
        (1, NumberKind.DATE, datetime.date(1900, 1, 1)),
        (59, NumberKind.DATE, datetime.date(1900, 2, 28)),
        (61, NumberKind.DATE, datetime.date(1900, 3, 1)),
        (-1, NumberKind.DATE, datetime.date(1899, 12, 29)),
        (46354, NumberKind.DATE, datetime.date(2026, 11, 28)),
        (46354.5, NumberKind.DATE, at("2026-11-28T12:00")),
        (46354, NumberKind.DATE_AND_TIME, at("2026-11-28T00:00")),
        (46354.0 + 1 / 86400, NumberKind.DATE_AND_TIME, at("2026-11-28T00:00:01")),
        (46353.999999999996, NumberKind.DATE_AND_TIME, at("2026-11-28T00:00:00")),
        (0, NumberKind.TIME, datetime.time(0, 0)),
        (0.25, NumberKind.DATE, datetime.time(6, 0)),
        (1.25, NumberKind.TIME, at("1900-01-01T06:00")),
        (1.25, NumberKind.DURATION, datetime.timedelta(hours=30)),
        (-0.5, NumberKind.DURATION, datetime.timedelta(hours=-12)),
        (60, NumberKind.NUMBER, 60),
    ],
)
def test_dates_count_from_1900(number: float, kind: NumberKind, value: Any) -> None:
    found = number_value(number, kind, counts_from_1904=False)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("number", "kind", "value"),
    [
        (0, NumberKind.DATE, datetime.date(1904, 1, 1)),
        (60, NumberKind.DATE, datetime.date(1904, 3, 1)),
        (0.5, NumberKind.DATE_AND_TIME, at("1904-01-01T12:00")),
        (0.5, NumberKind.TIME, datetime.time(12, 0)),
    ],
)
def test_dates_count_from_1904(number: float, kind: NumberKind, value: Any) -> None:
    found = number_value(number, kind, counts_from_1904=True)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (60, "1900-02-29, a day that never was. Correct it in the workbook"),
        (60.5, "1900-02-29, a day that never was. Correct it in the workbook"),
        (0, "0 as a date, which Excel shows as 1900-01-00. Enter the date, or clear the cell"),
    ],
)
@pytest.mark.parametrize("kind", [NumberKind.DATE, NumberKind.DATE_AND_TIME])
def test_a_number_that_is_no_date_is_refused(number: float, kind: NumberKind, message: str) -> None:
    with pytest.raises(BadCellError) as caught:
        number_value(number, kind, counts_from_1904=False)
    assert str(caught.value) == message


@pytest.mark.parametrize("number", [2958466, 1e300, -1e300, -700_000])
def test_a_date_that_python_cannot_hold_overflows(number: float) -> None:
    with pytest.raises(OverflowError):
        number_value(number, NumberKind.DATE, counts_from_1904=False)
