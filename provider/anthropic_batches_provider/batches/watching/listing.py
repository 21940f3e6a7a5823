"""Checks many batches at once by listing them: a scan through the list, and whether the list is available at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anthropic_batches_provider.batches.pauses import LIST_FAILED
from anthropic_batches_provider.batches.watching.failure_kinds import FailureKind, is_of_the_connection

RETRIEVE_UP_TO = 3
MAX_PAGES = 20

# Pages that fail in a row before a few batches are retrieved, to find out whether only the list fails.
PROBE_AFTER = 3


# The list was not asked, or it answered that it must not be asked now: neither says whether it is available.
_SAYS_NOTHING_OF_THE_LIST: frozenset[FailureKind] = frozenset(("connection", "rate_limited"))


def list_pause_seconds(times: int) -> float:
    """Return how long to avoid the list: 15 s, doubling up to ten minutes, so that one glitch costs little.

    :param times: 1 or more.
    """
    return LIST_FAILED.seconds(times - 1)


@dataclass(slots=True)
class ListScan:
    """A scan through the list, newest first, to find ``wanted``; ``after_id`` and ``page`` are its position.

    :param began_at: the next checks of all batches found on the way are timed from this moment, with this ``jitter``.
        If pages became due one by one, each would need a scan of its own from the newest page.
    """

    wanted: set[str]
    began_at: float
    jitter: float
    after_id: str | None = None
    page: int = 0

    def has_come_to_an_end(self, next_page: str | None) -> bool:
        """Return whether the scan is over: no page follows, the cursor did not move, or the page limit is reached."""
        return next_page in (None, self.after_id) or self.page >= MAX_PAGES


class ListAccess:
    """Knows whether the list is available; while only the list fails, batches are retrieved and it is retried at times.

    :ivar failures: pages that failed in a row.
    :ivar fails_alone: whether batches could be retrieved meanwhile.
    """

    def __init__(self) -> None:
        self.succeeded()

    def succeeded(self) -> None:
        """Forget all failures, at the start and after each page that arrived."""
        self.failures = 0
        self.fails_alone = False
        self._closed_until = -math.inf
        self._pauses = 0
        self._probe_at = PROBE_AFTER

    def is_closed(self, now: float) -> bool:
        """Return whether to avoid the list for now."""
        return now < self._closed_until

    @property
    def wants_probe(self) -> bool:
        """Whether to retrieve a few batches next, to find out whether the list or the connection fails."""
        return self.failures >= self._probe_at and not self.fails_alone

    def failed(self, kind: FailureKind, now: float) -> None:
        """Note a page that failed."""
        if kind in _SAYS_NOTHING_OF_THE_LIST:
            return
        self.failures += 1
        if self.fails_alone or kind == "answer" or not is_of_the_connection(kind):
            self._pause(now)

    def retrieved(self, now: float, *, succeeded: bool) -> None:
        """Note whether batches could be retrieved while pages fail."""
        if not succeeded:
            if self.wants_probe:
                self._probe_at = 2 * self.failures
        elif self.failures >= PROBE_AFTER and not self.fails_alone:
            self.fails_alone = True
            if not self.is_closed(now):
                self._pause(now)

    def open_by(self, now: float) -> None:
        """End a pause by this moment, because the clock was set back."""
        self._closed_until = min(self._closed_until, now)

    def _pause(self, now: float) -> None:
        self._pauses += 1
        self._closed_until = now + list_pause_seconds(self._pauses)
