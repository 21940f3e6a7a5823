"""Rows that cannot be sent: each stands in the rows file of its shard, and later in the output, but in no request.

In a rows file, an invalid row is a JSON array, ``[number, reason, columns]``; any other row is a JSON object.
"""

from __future__ import annotations

from typing import Any

import msgspec

from anthropic_batches_provider.batches.undecodable import UNDECODABLE


class InvalidRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A row from which no request can be made.

    :param number: position in the input, from 0.
    :param reason: what is wrong with it, as the author of the rows must know it.
    :param columns: key and kept columns, a JSON object; null in place of what the row lacks.
    """

    number: int
    reason: str
    columns: msgspec.Raw

    def line(self) -> bytes:
        """Return its line of a rows file, without a line feed."""
        return msgspec.json.encode(self)


_DECODE_LINE = msgspec.json.Decoder(InvalidRow).decode


def read_invalid_row(line: bytes) -> InvalidRow | None:
    """Read a line that :meth:`InvalidRow.line` wrote; return None if it is another line."""
    try:
        return _DECODE_LINE(line)
    except UNDECODABLE:
        return None


def invalid_row(number: int, reason: Any, columns: bytes) -> InvalidRow:
    """Return an invalid row.

    :param reason: the error, whose text is the reason.
    """
    text = str(reason).encode("utf-8", "replace").decode()  # JSON cannot hold half of a surrogate pair
    return InvalidRow(number, text, msgspec.Raw(columns))
