"""The sinks of answered rows: a sink writes them one at a time, and does not know where they come from."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import force_setattr

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.tally import Tally


class RowSink(Protocol):
    """Takes rows in the order of the output."""

    def add(self, row: AnsweredRow) -> None:
        """Take the next row."""


class CountedRows:
    """Counts each row, which tells what it cost, and passes it to a sink.

    :param sink: takes the rows.
    :param tally: counts them.
    """

    def __init__(self, sink: RowSink, tally: Tally) -> None:
        self._count = tally.add
        self._hand_on = sink.add
        self.count_strays = tally.count_strays

    def add(self, row: AnsweredRow) -> None:
        """Take the next row."""
        force_setattr(row, "cost", self._count(row))  # a copy would take ten times as long
        self._hand_on(row)
