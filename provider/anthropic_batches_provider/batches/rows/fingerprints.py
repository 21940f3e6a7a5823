"""Whether the rows of a job are still the same ones, whatever their order."""

from __future__ import annotations

import hashlib

from anthropic_batches_provider.batches.rows.prepared import PreparedRow

_MODULUS = 1 << 128
_SHA256 = hashlib.sha256(usedforsecurity=False)  # which processors have instructions for: half of blake2b's time


class RowsFingerprint:
    """The sum, modulo 2**128, of a hash of each row's columns and params: equal for equal rows in any order.

    Rows that have no key are numbered, and their number is part of them: their order does count.
    """

    def __init__(self) -> None:
        self._sum = 0

    def add(self, prepared: PreparedRow) -> None:
        """Count a row in."""
        # Columns are one JSON object, so that where they end is never in doubt.
        row = _SHA256.copy()
        row.update(prepared.columns)
        row.update(prepared.params)
        self._sum += int.from_bytes(row.digest(), "big")

    def hexdigest(self) -> str:
        """Return 32 hex digits for the rows added so far."""
        return f"{self._sum % _MODULUS:032x}"
