"""Whether the rows of a job are still the same ones, whatever their order."""

from __future__ import annotations

import xxhash

from anthropic_batches_provider.batches.rows.prepared import PreparedRow

_MODULUS = 1 << 128


class RowsFingerprint:
    """The sum, modulo 2**128, of a hash of each row's columns and params: equal for equal rows in any order.

    XXH3 takes a tenth of SHA-256's time. It resists accidents, not attacks: who writes the rows could make two inputs
    look equal, and would be given the answers of the first again.

    Rows that have no key are numbered, and their number is part of them: their order does count.
    """

    def __init__(self) -> None:
        self._sum = 0

    def add(self, prepared: PreparedRow) -> None:
        """Count a row in."""
        # Columns are one JSON object, so that where they end is never in doubt.
        row = xxhash.xxh3_128(prepared.columns)
        row.update(prepared.params)
        self._sum += row.intdigest()

    def hexdigest(self) -> str:
        """Return 32 hex digits for the rows added so far."""
        return f"{self._sum % _MODULUS:032x}"
