"""The state of one batch that is waited for, shared by all its waits."""

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

# The API may answer 404 for a new batch for a moment, and a key rotation takes minutes: accept denials until then.
PATIENCE_SECONDS = 600.0
PATIENCE_LOOKS = 5

# Below this, a failure is noise: one check in twenty may fail without a line in any task's log.
_TROUBLE_SECONDS = 60.0
_TROUBLE_LOOKS = 2

_NEARLY = 0.8

# A new batch may appear in the list a moment after its creation.
_YOUNG_SECONDS = 60.0


@dataclass(slots=True)
class Denial:
    """The same denial, repeated: the batch does not exist, or the key may not read it.

    :param kind: ``not_found`` or ``refused``.
    :param since: moment of the first denial.
    """

    kind: FailureKind
    since: float
    looks: int = 0

    def is_final(self, now: float) -> bool:
        """Return whether patience has run out, in time and in number of checks."""
        return self.looks >= PATIENCE_LOOKS and now - self.since >= PATIENCE_SECONDS


@dataclass(slots=True)
class WatchedBatch:
    """A batch, its latest checks and its waits; moments are seconds since the epoch.

    :param watched_since: when the first subscription came.
    :param due_at: when the next check is due; infinite once the batch has ended.
    :param intervals: the poll intervals of its waits, each with the number of waits that use it.
    :param deadlines: the deadlines of its waits, each with the number of waits that have it: a check is due at each.
    :param unlisted_until: it was not in the list, or too deep in it: retrieve it by its id until then.
    :param missed: how many times in a row it was not found in the list.
    :param depth: number of pages of the list before the one where it was last found.
    :param looked_at: moment of the latest check, whether it succeeded or failed.
    :param failures: checks that failed in a row.
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
        """Return whether most of the time between the latest check and the next has passed."""
        return now >= self.due_at or now - self.looked_at >= _NEARLY * (self.due_at - self.looked_at)

    def saw(self, sighting: Sighting, now: float, *, since: float, not_before: float, jitter: float) -> bool:
        """Note a successful check; return whether it brought news.

        :param since: the moment from which the next check is timed: ``now``, or when the scan to its page began.
        :param not_before: the service's hint when to check again.
        """
        self.looked_at = now
        if self.has_ended and not sighting.has_ended:
            return False  # an older view, such as a replica's: an ended batch stays ended
        is_news = sighting != self.sighting or self.is_troubled or self.is_denied
        self.looks += 1
        self.sighting = sighting
        self.failures, self.last_error, self.denial = 0, None, None
        self.is_troubled = self.is_denied = False
        created_at = self.watched_since if sighting.created_at is None else sighting.created_at.timestamp()
        age = now - min(created_at, self.watched_since)
        delay = delay_seconds(poll_interval=min(self.intervals), age_seconds=age, jitter=jitter)
        self._look_again_at(math.inf if sighting.has_ended else max(since + delay, not_before))
        return is_news

    def note_listed(self, page: int) -> None:
        """Note the page of the list on which the batch was found."""
        self.depth, self.missed, self.unlisted_until = page, 0, -math.inf

    def note_not_listed(self, now: float, *, is_whole: bool) -> bool:
        """Note that the batch was not found in the list; return whether it may only be too new.

        :param is_whole: the list was read to its end.
        """
        self.missed += 1
        if is_whole and self.missed == 1 and now - self.watched_since < _YOUNG_SECONDS:
            return True
        self.unlisted_until = now + list_pause_seconds(self.missed)
        return False

    def failed(self, error: Exception, now: float, *, jitter: float) -> bool:
        """Note a failed check; return whether it brought news."""
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
        """Forget that the batch was denied, and check it again."""
        self.denial, self.is_denied, self.due_at = None, False, due_at

    def _look_again_at(self, moment: float) -> None:
        """Check again at this moment, or at an earlier deadline: a wait that ends then gets the state as of then."""
        self.due_at = moment
        if self.deadlines and not self.has_ended:
            self.due_at = min(moment, *(deadline for deadline in self.deadlines if deadline > self.looked_at), math.inf)

    def _deny(self, kind: FailureKind, now: float) -> None:
        """Count denials of one kind; other failures in between neither count nor reset the count."""
        if kind not in ("not_found", "refused"):
            return
        if self.denial is None or self.denial.kind != kind:
            self.denial = Denial(kind, now)
        self.denial.looks += 1
        self.is_denied = self.denial.is_final(now)
