"""What is known of one batch that somebody waits for; shared by all who do."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anthropic_batches_provider.batches.watching.failure_kinds import FailureKind, classify_failure
from anthropic_batches_provider.batches.watching.listing import list_pause_seconds
from anthropic_batches_provider.batches.watching.look_intervals import backoff_seconds, delay_seconds

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import Sighting

# A fresh batch may be answered with 404 for a moment, and a key is rotated within minutes: so long, and so often.
PATIENCE_SECONDS = 600.0
PATIENCE_LOOKS = 5

# Below this, a failure is noise: one look in twenty may fail without a word in any task's log.
_TROUBLE_SECONDS = 60.0
_TROUBLE_LOOKS = 2

_NEARLY = 0.8

# A batch that was made just now may come into the list a moment later.
_YOUNG_SECONDS = 60.0


@dataclass(slots=True)
class Denial:
    """The same answer again and again: that the batch is not there, or that the key may not look.

    :param kind: ``not_found`` or ``refused``.
    :param since: moment of the first.
    """

    kind: FailureKind
    since: float
    looks: int = 0

    def is_final(self, now: float) -> bool:
        """Whether patience has run out, in time and in looks."""
        return self.looks >= PATIENCE_LOOKS and now - self.since >= PATIENCE_SECONDS


@dataclass(slots=True)
class WatchedBatch:
    """Moments are seconds since the epoch.

    :param watched_since: when the first subscription came.
    :param due_at: when to look next; infinite once it has ended.
    :param intervals: the poll intervals of those who wait, each with how many want it.
    :param deadlines: moments at which somebody stops waiting, each with how many do: a look is due at each.
    :param unlisted_until: it was not in the list, or too deep in it: to be retrieved by its id until then.
    :param missed: how often in a row it was not found in the list.
    :param depth: pages of the list in front of the one where it was found last.
    :param looked_at: moment of the latest look, of whatever outcome.
    :param failures: looks that failed in a row.
    """

    id: str
    watched_since: float
    due_at: float
    intervals: Counter[float] = field(default_factory=Counter)
    deadlines: Counter[float] = field(default_factory=Counter)
    sighting: Sighting | None = None
    unlisted_until: float = -math.inf
    missed: int = 0
    depth: int = 0
    looks: int = 0
    looked_at: float = -math.inf
    failures: int = 0
    failing_since: float = 0.0
    last_error: Exception | None = None
    denial: Denial | None = None
    is_denied: bool = False
    is_troubled: bool = False

    @property
    def has_ended(self) -> bool:
        return self.sighting is not None and self.sighting.has_ended

    def is_nearly_due(self, now: float) -> bool:
        """Whether most of the time between the latest look and the next has passed."""
        return now >= self.due_at or now - self.looked_at >= _NEARLY * (self.due_at - self.looked_at)

    def saw(self, sighting: Sighting, now: float, *, since: float, not_before: float, jitter: float) -> bool:
        """Take note of a successful look; return whether it brought news.

        :param since: moment from which on the next look is reckoned: ``now``, or when the scan to its page began.
        :param not_before: the service's hint when to look again.
        """
        self.looked_at = now
        if self.has_ended and not sighting.has_ended:
            return False  # an older view of it, such as a replica's: what has ended stays so
        is_news = sighting != self.sighting or self.is_troubled or self.is_denied
        self.looks += 1
        self.sighting = sighting
        self.failures, self.last_error, self.denial = 0, None, None
        self.is_troubled = self.is_denied = False
        age = max(now - sighting.created_at.timestamp(), now - self.watched_since)
        delay = delay_seconds(poll_interval=min(self.intervals), age_seconds=age, jitter=jitter)
        self._look_again_at(math.inf if sighting.has_ended else max(since + delay, not_before))
        return is_news

    def note_listed(self, page: int) -> None:
        """Take note of the page of the list on which it was found."""
        self.depth, self.missed, self.unlisted_until = page, 0, -math.inf

    def note_not_listed(self, now: float, *, is_whole: bool) -> bool:
        """Take note that it was not found in the list; return whether that may be only because it is young.

        :param is_whole: the list was walked to its end.
        """
        self.missed += 1
        if is_whole and self.missed == 1 and now - self.watched_since < _YOUNG_SECONDS:
            return True
        self.unlisted_until = now + list_pause_seconds(self.missed)
        return False

    def failed(self, error: Exception, now: float, *, jitter: float) -> bool:
        """Take note of a failed look; return whether it brought news."""
        self.looked_at = now
        self.looks += 1
        self.failures += 1
        self.last_error = error
        if self.failures == 1:
            self.failing_since = now
        self._look_again_at(now + backoff_seconds(self.failures, jitter))
        was_troubled, was_denied = self.is_troubled, self.is_denied
        self.is_troubled |= self.failures >= _TROUBLE_LOOKS and now - self.failing_since >= _TROUBLE_SECONDS
        self._deny(classify_failure(error), now)
        return (self.is_troubled, self.is_denied) != (was_troubled, was_denied)

    def begin_anew(self, due_at: float) -> None:
        """Forget that it was denied, and look again."""
        self.denial, self.is_denied, self.due_at = None, False, due_at

    def _look_again_at(self, moment: float) -> None:
        """Be due then, or at a deadline before that: who stops waiting is told what is true at that moment."""
        self.due_at = moment
        if self.deadlines and not self.has_ended:
            self.due_at = min(moment, *(deadline for deadline in self.deadlines if deadline > self.looked_at), math.inf)

    def _deny(self, kind: FailureKind, now: float) -> None:
        """Count denials of one kind; other failures in between neither count nor start anew."""
        if kind not in ("not_found", "refused"):
            return
        if self.denial is None or self.denial.kind != kind:
            self.denial = Denial(kind, now)
        self.denial.looks += 1
        self.is_denied = self.denial.is_final(now)
