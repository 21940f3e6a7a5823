"""Decides, before anything is sent, whether a job may go without its invalid rows."""

from __future__ import annotations

import logging

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.output.failed_rows import allowed_failures
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import InvalidRowError

log = logging.getLogger(__name__)

_SHOWN = 10
_ENOUGH = 1_000  # a number of rows, once exceeded, stays exceeded: more than this is not worth reading on for


class InvalidRows:
    """The invalid rows of an input: how many there are, which is the first, and the reasons of the first ten."""

    def __init__(self) -> None:
        self.count = 0
        self.first_row = 0
        self._shown: list[str] = []

    def take(self, row: InvalidRow) -> None:
        """Take the next invalid row."""
        if not self.count:
            self.first_row = row.number
        self.count += 1
        if len(self._shown) < _SHOWN:
            self._shown.append(row.reason)

    def reasons(self) -> str:
        """Return the reasons as the end of a message, each on a line of its own."""
        more = self.count - len(self._shown)
        lines = [*self._shown, f"… and {more:,} more"] if more else self._shown
        return "".join(f"\n- {line}" for line in lines)


class InvalidRowLimit:
    """Takes the invalid rows of an input, one by one, and judges them when all rows were read.

    :param max_failed_rows: how many may be invalid: an int is rows, a float below 1 a share of all rows.
    """

    def __init__(self, max_failed_rows: int | float) -> None:
        self._max_failed_rows = max_failed_rows
        self._invalid = InvalidRows()

    def take(self, row: InvalidRow) -> None:
        """Take an invalid row.

        :raises InvalidRowError: too many are invalid already, whatever the rest of the input holds.
        """
        self._invalid.take(row)
        if isinstance(self._max_failed_rows, int) and self._invalid.count > max(self._max_failed_rows, _ENOUGH):
            raise self._too_many(f"{self._invalid.count:,} of the first {row.number + 1:,} rows")

    def check(self, *, rows: int) -> None:
        """Judge the invalid rows.

        :param rows: how many rows were read.
        :raises InvalidRowError: more are invalid than allowed, or all are.
        """
        count = self._invalid.count
        if not count:
            return
        if count == rows:
            which = "The only row" if rows == 1 else f"All {rows:,} rows"
            raise self._too_many(which, advice="Correct the rows, or the argument that the reasons below name.")
        if count > allowed_failures(self._max_failed_rows, rows):
            raise self._too_many(f"{count:,} of {counted(rows, 'row')}")
        log.warning(
            "%s of %s cannot be sent, which max_failed_rows=%r allows. They are not paid for, and stand in the output "
            "with the result_type invalid_row.%s",
            f"{count:,}", counted(rows, "row"), self._max_failed_rows, self._invalid.reasons(),
        )  # fmt: skip

    def _too_many(self, which: str, *, advice: str = "") -> InvalidRowError:
        advice = advice or (
            f"Correct them, or raise max_failed_rows (now {self._max_failed_rows!r}) to send the others alone."
        )
        return InvalidRowError(
            f"{which} cannot be sent. {advice} Nothing was sent.{self._invalid.reasons()}",
            row_number=self._invalid.first_row,
        )
