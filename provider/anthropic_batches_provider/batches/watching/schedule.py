"""What a connection's watcher does next: which calls, and when. Holds no loop, no client and no clock.

Few batches are retrieved, many are found in pages of the list, newest first: so that looking at young batches costs one
page however many old ones there are. All calls together stay below :data:`~pace.CALLS_PER_MINUTE`.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anthropic_batches_provider.batches.watching.failures import is_of_the_connection, kind_of
from anthropic_batches_provider.batches.watching.pace import CallBudget, Line
from anthropic_batches_provider.batches.watching.watched_batch import WatchedBatch

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import Look

FEW = 3
MAX_PAGES = 20
AT_ONCE = 8

_GATHER_SECONDS = 0.1  # those who come, or are due, together are looked at together
_UNLISTED_SECONDS = 600.0
_CLOCK_SET_BACK_SECONDS = 5.0


def _jitter() -> float:
    """Never none at all: a look, and telling what it saw, take a moment of the interval too."""
    return random.uniform(0.25, 1.0)


@dataclass(frozen=True, slots=True)
class LookAtPage:
    """List the page after ``after_id``; None for the newest."""

    after_id: str | None


@dataclass(frozen=True, slots=True)
class LookAtEach:
    """Retrieve these."""

    batch_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Do nothing until a moment (infinite: until a batch is added)."""

    until: float


Step = LookAtPage | LookAtEach | Rest


@dataclass(slots=True)
class _Walk:
    """A walk through the list, to find ``wanted``; ``after_id`` and ``page`` say where it stands."""

    wanted: set[str]
    after_id: str | None = None
    page: int = 0


class Schedule:
    """Moments are seconds since the epoch; what has news is returned, for those who wait for it.

    :param jitter: gives a number from 0 to 1.
    """

    def __init__(self, *, jitter: Callable[[], float] = _jitter) -> None:
        self.batches: dict[str, WatchedBatch] = {}
        self.line = Line()
        self._budget = CallBudget()
        self._walk: _Walk | None = None
        self._no_list_before = -math.inf
        self._latest = -math.inf
        self._jitter = jitter

    def add(self, batch_id: str, poll_interval: float, now: float) -> WatchedBatch:
        """Watch a batch for one more; it is looked at soon, unless that was done a moment ago."""
        watched = self.batches.get(batch_id)
        if watched is None:
            watched = WatchedBatch(id=batch_id, watched_since=now, due_at=now + _GATHER_SECONDS)
            self.batches[batch_id] = watched
        elif watched.is_denied:  # whoever comes again may have mended the connection
            watched.begin_anew(now + _GATHER_SECONDS)
        elif not watched.has_ended and poll_interval < min(watched.intervals):
            watched.due_at = min(watched.due_at, now + _GATHER_SECONDS)
        watched.intervals[poll_interval] += 1
        return watched

    def remove(self, batch_id: str, poll_interval: float) -> None:
        """Watch a batch for one less."""
        watched = self.batches[batch_id]
        watched.intervals[poll_interval] -= 1
        watched.intervals += {}  # drops what nobody wants any more
        if not watched.intervals:
            del self.batches[batch_id]

    def next_step(self, now: float) -> Step:
        """Decide; the calls of the step are taken from the budget."""
        self._mind_the_clock(now)
        opens_at = max(self.line.opens_at, self._budget.next_call_at(now))
        walk = self._walk if self._walk and not self._walk.wanted.isdisjoint(self.batches) else None
        if walk is None:
            opens_at = max(opens_at, min((batch.due_at for batch in self.batches.values()), default=math.inf))
        if opens_at > now:
            return Rest(opens_at)
        if walk is None:
            due = [batch for batch in self.batches.values() if batch.due_at <= now + _GATHER_SECONDS]
            walk = self._new_walk(due, now)
            if walk is None:
                return self._look_at_each(due, now)
        self._walk = walk
        self._budget.take(1)
        return LookAtPage(walk.after_id)

    def saw_page(self, look: Look, now: float) -> list[WatchedBatch]:
        """Take note of a page; return the batches of which it brought news."""
        walk, self._walk = self._walk, None
        page = walk.page if walk else 0
        jitter = self._jitter()  # one for all of them, so that they stay together
        news = []
        for sighting in look.sightings:
            watched = self.batches.get(sighting.id)
            if watched is not None:
                watched.depth, watched.unlisted_until = page, -math.inf
                if watched.saw(sighting, now, not_before=now, jitter=jitter):
                    news.append(watched)
        self.line.succeeded()
        if look.retry_after_seconds:
            self.line.hold(now, look.retry_after_seconds)
        if walk is not None:
            walk.wanted.difference_update(sighting.id for sighting in look.sightings)
            self._go_on(walk, look, now)
        return news

    def saw_each(self, looks: Mapping[str, Look], failures: Mapping[str, Exception], now: float) -> list[WatchedBatch]:
        """Take note of batches that were retrieved, and of those that could not be; return those with news."""
        jitter = self._jitter()
        news = []
        for batch_id, look in looks.items():
            watched = self.batches.get(batch_id)
            not_before = now + look.retry_after_seconds
            if watched is not None and watched.saw(look.sightings[0], now, not_before=not_before, jitter=jitter):
                news.append(watched)
        if looks:
            self.line.succeeded()
        for batch_id, error in failures.items():
            watched = self.batches.get(batch_id)
            if watched is not None and watched.failed(error, now, jitter=jitter):
                news.append(watched)
        self._slow_down(list(failures.values()), now, jitter)
        return news

    def page_failed(self, error: Exception, now: float) -> list[WatchedBatch]:
        """Take note of a page that could not be had; return the wanted batches of which that is news."""
        walk, self._walk = self._walk, None
        jitter = self._jitter()
        self._slow_down([error], now, jitter)
        kind = kind_of(error)
        if kind == "answer" or not is_of_the_connection(kind):
            self._no_list_before = now + _UNLISTED_SECONDS  # each batch may still be readable by itself
        wanted = [self.batches[batch_id] for batch_id in (walk.wanted if walk else ()) if batch_id in self.batches]
        return [watched for watched in wanted if watched.failed(error, now, jitter=jitter)]

    def _new_walk(self, due: list[WatchedBatch], now: float) -> _Walk | None:
        listed = [batch for batch in due if batch.unlisted_until <= now]
        pages = 1 + max((batch.depth for batch in listed), default=0)
        if now < self._no_list_before or len(listed) <= max(FEW, pages):
            return None
        return _Walk({batch.id for batch in listed})

    def _look_at_each(self, due: list[WatchedBatch], now: float) -> LookAtEach:
        calls = min(AT_ONCE, self._budget.available(now))
        chosen = heapq.nsmallest(calls, due, key=lambda batch: batch.due_at)
        self._budget.take(len(chosen))
        return LookAtEach(tuple(batch.id for batch in chosen))

    def _go_on(self, walk: _Walk, look: Look, now: float) -> None:
        """Walk on, unless the rest is few enough to be retrieved, or is not to be found in the list."""
        walk.page += 1
        if look.next_page in (None, walk.after_id) or walk.page >= MAX_PAGES:
            for batch_id in walk.wanted & self.batches.keys():
                self.batches[batch_id].unlisted_until = now + _UNLISTED_SECONDS
        elif len(walk.wanted) > FEW:
            walk.after_id = look.next_page
            self._walk = walk

    def _slow_down(self, errors: list[Exception], now: float, jitter: float) -> None:
        """Close the line once for what failed together, for the longest that the service asks for."""
        retry_after = max((getattr(error, "retry_after_seconds", None) or 0.0 for error in errors), default=0.0)
        if any(is_of_the_connection(kind_of(error)) for error in errors):
            self.line.failed(now, retry_after=retry_after, jitter=jitter)
        elif retry_after:
            self.line.hold(now, retry_after)

    def _mind_the_clock(self, now: float) -> None:
        """Where the clock was set back, what was due by it must not wait for it to come round again."""
        if now < self._latest - _CLOCK_SET_BACK_SECONDS:
            self.line.opens_at = min(self.line.opens_at, now)
            for watched in self.batches.values():
                if not watched.has_ended:
                    watched.due_at, watched.unlisted_until = now, -math.inf
        self._latest = now
