"""The rows that a batch must answer, and which of them a line of its results answers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from anthropic_batches_provider.batches.results.decode import decode_custom_id

_MOST_DIGITS = 18


class UnnamedLineError(Exception):
    """A line of results that names no request."""


def named_custom_id(line: bytes) -> str:
    """Return the custom_id of the request that a line of results answers.

    :raises UnnamedLineError: it names none.
    """
    custom_id = decode_custom_id(line)
    if custom_id is None:
        raise UnnamedLineError
    return custom_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRows:
    """The rows that a batch must answer; each custom_id is the prefix plus the row's number.

    :param custom_id_prefix: common to all of them, e.g. ``{job nonce}-{shard}-``.
    :param rows: their numbers in the whole input, ascending: a range, or an array in a further round.
    :param invalid_rows: how many rows of that range were not sent.
    """

    custom_id_prefix: str
    rows: Sequence[int]
    invalid_rows: int = 0

    @property
    def requests(self) -> int:
        """How many of the rows were sent."""
        return len(self.rows) - self.invalid_rows

    def position(self, custom_id: str) -> int | None:
        """Return the position, from 0, of the row that a custom_id names; None if it names none."""
        if not custom_id.startswith(self.custom_id_prefix):
            return None
        number = custom_id[len(self.custom_id_prefix) :]
        if not (number.isascii() and number.isdigit()):
            return None
        return self.position_of_row(int(number))

    def position_of_row(self, row: int) -> int | None:
        """Return the position, from 0, of the row with this number; None if there is none."""
        if isinstance(self.rows, range):
            return row - self.rows.start if row in self.rows else None
        position = bisect_left(self.rows, row)
        return position if position < len(self.rows) and self.rows[position] == row else None

    def custom_id(self, position: int) -> str:
        """Return the custom_id of the row at a position."""
        return f"{self.custom_id_prefix}{self.rows[position]}"

    def line_finder(self) -> Callable[[bytes], int | None]:
        """Return a function from a line of results to the position, from 0, of its row; to None for a foreign line.

        It reads a line that begins as the API writes it no further than its ``custom_id``; decoding the line checks the
        rest. It raises :class:`UnnamedLineError` for a line without a ``custom_id``.
        """
        beginning = b'{"custom_id":' + msgspec.json.encode(self.custom_id_prefix)[:-1]
        known = len(beginning)
        longest = known + _MOST_DIGITS + 1
        position_of_row = self.position_of_row

        def position_of_line(line: bytes) -> int | None:
            if line.startswith(beginning):
                number = line[known : line.find(b'"', known, longest)]
                if number.isdigit():
                    return position_of_row(int(number))
            return self.position(named_custom_id(line))

        return position_of_line
