"""Whether the rows of a job are still the same ones, whatever their order."""

from __future__ import annotations

import hashlib

from anthropic_batches_provider.batches.rows.prepared import PreparedRow

_MODULUS = 1 << 128


class RowsFingerprint:
    """The sum, modulo 2**128, of a hash of each row's columns and params: equal for equal rows in any order.

    Rows that have no key are numbered, and their number is part of them: their order does count.
    """

    def __init__(self) -> None:
        self._sum = 0

    def add(self, prepared: PreparedRow) -> None:
        """Count a row in."""
        # Columns are one JSON object, so that where they end is never in doubt.
        digest = hashlib.blake2b(prepared.columns + prepared.params, digest_size=16).digest()
        self._sum += int.from_bytes(digest, "big")

    def hexdigest(self) -> str:
        """Return 32 hex digits for the rows added so far."""
        return f"{self._sum % _MODULUS:032x}"
