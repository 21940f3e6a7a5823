"""Which rows a batch must answer, and which of them a line of its results answers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from anthropic_batches_provider.batches.results.decode import decode_custom_id

_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRows:
    """The rows that a batch must answer; their custom_ids are the prefix and the row's number.

    :param custom_id_prefix: of all of them, e.g. ``{job nonce}-{shard}-``.
    :param rows: their numbers in the whole input, ascending: a range, or an array in a further round.
    """

    custom_id_prefix: str
    rows: Sequence[int]

    def position(self, custom_id: str) -> int | None:
        """Return which of the rows a custom_id names, from 0; None if it names none."""
        if not custom_id.startswith(self.custom_id_prefix):
            return None
        number = custom_id[len(self.custom_id_prefix) :]
        if not (number.isascii() and number.isdigit()):
            return None
        return self.position_of_row(int(number))

    def position_of_row(self, row: int) -> int | None:
        """Return which of the rows has a number, from 0; None if none has."""
        if isinstance(self.rows, range):
            return row - self.rows.start if row in self.rows else None
        position = bisect_left(self.rows, row)
        return position if position < len(self.rows) and self.rows[position] == row else None

    def custom_id(self, position: int) -> str:
        """Return the custom_id of a row, from its position."""
        return f"{self.custom_id_prefix}{self.rows[position]}"

    def line_finder(self) -> Callable[[bytes], int | None]:
        """Return what tells which of the rows a line of results answers, from 0; None if it answers none.

        A line that begins as the API writes it is read no further than its ``custom_id``: whoever decodes it sees the
        rest. What is returned raises ``msgspec.MsgspecError`` or ``UnicodeDecodeError`` for a line without one.
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
            return self.position(decode_custom_id(line))

        return position_of_line
