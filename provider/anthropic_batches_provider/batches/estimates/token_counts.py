"""Counts the tokens of rows: each content once, patiently, and with the API's refusals as findings.

Invariant: only the API's own refusal of a request says something of a row; any other failure is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.create_answers import is_the_apis_refusal
from anthropic_batches_provider.batches.passing_failures import passes_by_itself
from anthropic_batches_provider.batches.pauses import GrowingPause, bounded_retry_after
from anthropic_batches_provider.batches.service import TokenService
from anthropic_batches_provider.errors import ApiError, ApiStatusError

_PAUSE = GrowingPause(1.0, 60.0)
LONGEST_PAUSES_SECONDS = 600.0
"""So long one call waits for a service that does not count. Many calls wait for longer: they meet its rate limit."""
_OF_THE_ROW = frozenset((400, 404, 413, 422))


@dataclass(frozen=True, slots=True)
class Refused:
    """The API refuses to count a row, as it would refuse the row.

    :param reason: the error, with the API's words.
    """

    reason: str


class TokenCounts:
    """Counts tokens one call after another; it waits when the service asks it to.

    :param service: makes the calls, which are free.
    """

    def __init__(self, service: TokenService, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._known: dict[bytes, int | Refused] = {}
        self.calls = 0

    def of(self, params: bytes) -> int | Refused:
        """Return the input tokens of a row's params.

        :raises ApiError: the service does not count, although it was asked for ten minutes, or may not.
        """
        digest = blake2b(params, digest_size=16).digest()
        if digest not in self._known:
            try:
                self._known[digest] = self.count_tokens(msgspec.json.decode(params))
            except ApiStatusError as error:
                if error.status not in _OF_THE_ROW or not is_the_apis_refusal(
                    error.status, error.error_type, error.request_id
                ):
                    raise
                self._known[digest] = Refused(str(error))
        return self._known[digest]

    def count_tokens(self, params: Mapping[str, Any], /) -> int:
        """Make a call, and repeat it if its failure passes; see :class:`.TokenService`."""
        failures, paused_seconds = 0, 0.0
        while True:
            self.calls += 1
            try:
                return self._service.count_tokens(params)
            except ApiError as error:
                if not passes_by_itself(error):
                    raise
                asked = bounded_retry_after(getattr(error, "retry_after_seconds", None))
                pause = max(_PAUSE.seconds(failures), asked)
                if paused_seconds + pause > LONGEST_PAUSES_SECONDS:
                    raise
                paused_seconds += pause
                self._clock.sleep(pause)
                failures += 1
