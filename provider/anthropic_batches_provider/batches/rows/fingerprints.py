"""Checks whether the rows of a job are still the same, in any order."""

from __future__ import annotations

import xxhash

from anthropic_batches_provider.batches.rows.prepared import PreparedRow

RULES = 4
"""The rules by which rows become bytes; fingerprints of other rules say nothing about the rows.

1: numbers of JSON files lost digits, sets had the order of the process, and prompts printed values as Python does.
2: numbers keep their digits, sets are sorted, prompts print data as JSON, kept columns are those of the row as read.
3: rarer values have their exact form (private fields, sets in records, Enums of floats); rows of files are those that
   wildcards find now; schemas are held against what the API takes.
4: addresses of `ipaddress` are text, values of database drivers' own types are refused, and files are read in the
   format that their name says.
"""

_MODULUS = 1 << 128


class RowsFingerprint:
    """The sum, modulo 2**128, of a hash of each row's columns and params: equal for equal rows in any order.

    XXH3 takes a tenth of SHA-256's time. It resists accidents, not attacks: the author of the rows could make two
    inputs look equal, and would then get the answers of the first again.

    Rows without a key are numbered, and the number is part of the row. The order of such rows therefore counts.

    :param form: bytes of the params that are no part of a row: the form of the answers, which the question covers, and
        which another version of this package may write in another way.
    """

    def __init__(self, form: bytes = b"") -> None:
        self._sum = 0
        self._form = form

    def add(self, prepared: PreparedRow) -> None:
        """Add a row."""
        # Columns are one JSON object, so it is always clear where they end.
        row = xxhash.xxh3_128(prepared.columns)
        row.update(prepared.params.replace(self._form, b"", 1) if self._form else prepared.params)
        self._sum += row.intdigest()

    def add_invalid(self, columns: bytes) -> None:
        """Add a row that was not sent: once it can be sent, the rows have changed.

        :param columns: its key and kept columns; why it is invalid does not count.
        """
        row = xxhash.xxh3_128(columns)
        row.update(b"invalid")
        self._sum += row.intdigest()

    def hexdigest(self) -> str:
        """Return 32 hex digits for the rows added so far."""
        return f"{self._sum % _MODULUS:032x}"
