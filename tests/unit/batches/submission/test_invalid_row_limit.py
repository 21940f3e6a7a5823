"""The invalid rows of an input are judged when it ends, or once a number is exceeded beyond doubt."""

from __future__ import annotations

import logging

import pytest

from anthropic_batches_provider.batches.invalid_rows import invalid_row
from anthropic_batches_provider.batches.submission.invalid_row_limit import InvalidRowLimit
from anthropic_batches_provider.errors import InvalidRowError


def limit_after(max_failed_rows: float, count: int) -> InvalidRowLimit:
    limit = InvalidRowLimit(max_failed_rows)
    for number in range(count):
        limit.take(invalid_row(number * 2 + 5, f"reason {number}", b"{}"))
    return limit


def test_no_invalid_row_is_no_error() -> None:
    limit_after(0, 0).check(rows=0)
    limit_after(0, 0).check(rows=5)


@pytest.mark.parametrize(("allowed", "count", "rows"), [(1, 1, 2), (0.29, 29, 100), (5, 3, 4)])
def test_so_many_are_allowed_and_told(allowed: float, count: int, rows: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        limit_after(allowed, count).check(rows=rows)
    (record,) = caplog.records
    assert f"{count} of {rows} rows cannot be sent, which max_failed_rows={allowed!r} allows" in record.getMessage()
    assert "- reason 0" in record.getMessage()


@pytest.mark.parametrize(("allowed", "count", "rows"), [(0, 1, 2), (0.29, 30, 100), (5, 6, 100)])
def test_one_more_is_an_error(allowed: float, count: int, rows: int) -> None:
    with pytest.raises(InvalidRowError, match=f"^{count} of {rows} rows cannot be sent") as error:
        limit_after(allowed, count).check(rows=rows)
    assert error.value.row_number == 5


def test_the_only_row_is_an_error() -> None:
    with pytest.raises(InvalidRowError, match=r"^The only row cannot be sent\. Correct the rows, or"):
        limit_after(5, 1).check(rows=1)


def test_reading_ends_once_a_number_is_exceeded_and_a_thousand_are_known() -> None:
    limit_after(0, 1_000)
    with pytest.raises(InvalidRowError, match=r"^1,001 of the first 2,006 rows cannot be sent.*(?s:.)*and 991 more$"):
        limit_after(0, 1_001)
    limit_after(2_000, 2_000)
    with pytest.raises(InvalidRowError, match=r"^2,001 of the first"):
        limit_after(2_000, 2_001)
    limit_after(0.1, 5_000)  # a share of nobody knows how many rows
