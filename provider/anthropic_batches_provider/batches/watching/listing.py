"""The list, as the way to look at many batches at once: a scan through it, and whether it is available at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anthropic_batches_provider.batches.pauses import LIST_FAILED
from anthropic_batches_provider.batches.watching.failure_kinds import FailureKind, is_of_the_connection

RETRIEVE_UP_TO = 3
MAX_PAGES = 20

# Pages in a row that failed, before a few batches are retrieved to see whether only the list is to blame.
PROBE_AFTER = 3


# Nothing was asked of the list, or it has answered that it is not to be asked now: no word on whether it is available.
_SAYS_NOTHING_OF_THE_LIST: frozenset[FailureKind] = frozenset(("connection", "rate_limited"))


def list_pause_seconds(times: int) -> float:
    """Return for how long to do without the list: 15 s, doubling up to ten minutes, so that one glitch costs little.

    :param times: 1 or more.
    """
    return LIST_FAILED.seconds(times - 1)


@dataclass(slots=True)
class ListScan:
    """A scan through the list, newest first, to find ``wanted``; ``after_id`` and ``page`` say where it stands.

    :param began_at: all that is met on the way is due again by this moment and by this ``jitter``: pages that came due
        one by one would each be walked to from the newest on.
    """

    wanted: set[str]
    began_at: float
    jitter: float
    after_id: str | None = None
    page: int = 0

    def has_come_to_an_end(self, next_page: str | None) -> bool:
        """Whether there is no page to go on to: none follows, the cursor stands still, or it has gone too far."""
        return next_page in (None, self.after_id) or self.page >= MAX_PAGES


class ListAccess:
    """Whether the list is available; where it alone fails, batches are retrieved, and it is tried again now and then.

    :ivar failures: pages in a row that failed.
    :ivar fails_alone: batches could be retrieved meanwhile.
    """

    def __init__(self) -> None:
        self.succeeded()

    def succeeded(self) -> None:
        """Know of no failure, at first and after each page that came."""
        self.failures = 0
        self.fails_alone = False
        self._closed_until = -math.inf
        self._pauses = 0
        self._probe_at = PROBE_AFTER

    def is_closed(self, now: float) -> bool:
        """Whether to do without it for now."""
        return now < self._closed_until

    @property
    def wants_probe(self) -> bool:
        """Whether to retrieve a few batches next, to see whether the list or the connection is to blame."""
        return self.failures >= self._probe_at and not self.fails_alone

    def failed(self, kind: FailureKind, now: float) -> None:
        """Take note of a page that did not come."""
        if kind in _SAYS_NOTHING_OF_THE_LIST:
            return
        self.failures += 1
        if self.fails_alone or kind == "answer" or not is_of_the_connection(kind):
            self._pause(now)

    def retrieved(self, now: float, *, succeeded: bool) -> None:
        """Take note of batches that were retrieved, or could not be, while pages fail."""
        if not succeeded:
            if self.wants_probe:
                self._probe_at = 2 * self.failures
        elif self.failures >= PROBE_AFTER and not self.fails_alone:
            self.fails_alone = True
            if not self.is_closed(now):
                self._pause(now)

    def open_by(self, now: float) -> None:
        """End a pause by a moment: the clock was set back."""
        self._closed_until = min(self._closed_until, now)

    def _pause(self, now: float) -> None:
        self._pauses += 1
        self._closed_until = now + list_pause_seconds(self._pauses)
