"""Into how many message batches the rows of a job would be cut, and how many bytes they would have."""

from __future__ import annotations

from anthropic_batches_provider.batches.sharding import ShardLimits, body_bytes_of, request_line_bytes
from anthropic_batches_provider.batches.submission.pilot_choice import Pilot, pilot_rows
from anthropic_batches_provider.batches.submission.shard_uploads import SPARE_PRIMERS

_NONCE = "0" * 12  # as long as that of a job
_EMPTY_BODY = body_bytes_of(0)


class BatchCounts:
    """Follows where shards would be cut, row by row, as :func:`.cut_shards` cuts them.

    :param limits: of the shards.
    """

    def __init__(self, limits: ShardLimits) -> None:
        self._limits = limits
        self._most = limits.requests_in(0, _NONCE)
        self._requests = 0
        self._body_bytes = _EMPTY_BODY
        self._full_bytes = 0
        self._rows = 0
        self._full = 0

    def add(self, row: int, params_bytes: int) -> bool:
        """Take a row; return False if its request alone is too long, so that it cannot be sent.

        :param row: its number, from 0.
        """
        line = request_line_bytes(_NONCE, self._full, row, params_bytes)
        if self._body_bytes + line > self._limits.max_bytes or self._requests >= self._most:
            if _EMPTY_BODY + line > self._limits.max_bytes:
                return False
            if self._requests:
                self._cut()
            line = request_line_bytes(_NONCE, self._full, row, params_bytes)
        self._requests += 1
        self._rows += 1
        self._body_bytes += line
        return True

    def _cut(self) -> None:
        self._full += 1
        self._full_bytes += self._body_bytes
        self._most = self._limits.requests_in(self._full, _NONCE)
        self._requests, self._body_bytes = 0, _EMPTY_BODY

    @property
    def shards(self) -> int:
        """How many shards the rows so far make."""
        return self._full + (1 if self._requests else 0)

    @property
    def request_bytes(self) -> int:
        """The bytes of their bodies."""
        return self._full_bytes + (self._body_bytes if self._requests else 0)

    def batches(self, pilot: Pilot, *, is_primed: bool) -> int:
        """Return how many batches the rows so far make, with those of pilot and primers; a small job may make fewer.

        :param is_primed: whether each shard has a primer.
        """
        primers = self.shards + SPARE_PRIMERS if is_primed and pilot != 0 and self.shards else 0
        wanted: Pilot = 0 if primers and pilot == "auto" else pilot  # a primer is pilot enough
        return self.shards + primers + (1 if pilot_rows(wanted, rows=self._rows, nonce=_NONCE) else 0)
