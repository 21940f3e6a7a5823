"""Decides which calls a connection's watcher makes next, and when. Holds no event loop, no client and no clock.

A few batches are retrieved; many are found in pages of the list, newest first, so that a check of young batches costs
one page, however many old ones there are. Where the list is not available (:mod:`listing`), each batch is retrieved.
All calls together stay below :data:`~pace.CALLS_PER_MINUTE`.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anthropic_batches_provider.batches.pauses import bounded_retry_after
from anthropic_batches_provider.batches.watching.failure_kinds import classify_failure, is_of_the_connection
from anthropic_batches_provider.batches.watching.listing import RETRIEVE_UP_TO, ListAccess, ListScan
from anthropic_batches_provider.batches.watching.look_intervals import backoff_seconds
from anthropic_batches_provider.batches.watching.pace import (
    CallBudget,
    CallGate,
)
from anthropic_batches_provider.batches.watching.watched_batch import WatchedBatch

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import Look

AT_ONCE = 8

_GATHER_SECONDS = 0.1  # batches that arrive, or are due, together are checked together
_CLOCK_SET_BACK_SECONDS = 5.0


def _jitter() -> float:
    """Return a random jitter, never 0: a check and the report of its result also take part of the interval."""
    return random.uniform(0.25, 1.0)


@dataclass(frozen=True, slots=True)
class LookAtPage:
    """List the page after ``after_id``; None for the newest."""

    after_id: str | None


@dataclass(frozen=True, slots=True)
class LookAtEach:
    """Retrieve these batches."""

    batch_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Do nothing until this moment (infinite: until a batch is added)."""

    until: float


Step = LookAtPage | LookAtEach | Rest


class Schedule:
    """The batches of a connection and their next checks; moments are seconds since the epoch.

    Methods that note results return the batches with news, so that the watcher can inform their waits.

    :param jitter: returns a number from 0 to 1.
    """

    def __init__(self, *, jitter: Callable[[], float] = _jitter) -> None:
        self.batches: dict[str, WatchedBatch] = {}
        self.gate = CallGate()
        self._budget = CallBudget()
        self._list = ListAccess()
        self._scan: ListScan | None = None
        self._latest = -math.inf
        self._jitter = jitter

    def add(self, batch_id: str, poll_interval: float, now: float, *, deadline: float | None = None) -> WatchedBatch:
        """Add a waiter of a batch; the batch is checked soon, unless that was done a moment ago.

        :param deadline: when that waiter stops waiting: a check is due then.
        """
        soon = now + _GATHER_SECONDS
        watched = self.batches.get(batch_id) or WatchedBatch(id=batch_id, watched_since=now, due_at=soon)
        if watched.is_denied:  # somebody may have fixed the connection before this waiter came
            watched.begin_anew(soon)
        elif watched.intervals and not watched.has_ended:
            if poll_interval < min(watched.intervals):
                watched.due_at = min(watched.due_at, soon)
            if deadline is not None:
                watched.due_at = min(watched.due_at, max(deadline, soon))
        watched.intervals[poll_interval] += 1
        if deadline is not None:
            watched.deadlines[deadline] += 1
        self.batches[batch_id] = watched
        return watched

    def remove(self, batch_id: str, poll_interval: float, *, deadline: float | None = None) -> None:
        """Drop one waiter of a batch."""
        watched = self.batches[batch_id]
        watched.intervals[poll_interval] -= 1
        watched.intervals += {}  # drops intervals that no waiter uses any more
        if deadline is not None:
            watched.deadlines[deadline] -= 1
            watched.deadlines += {}
        if not watched.intervals:
            del self.batches[batch_id]

    def next_step(self, now: float) -> Step:
        """Return the next step; its calls are taken from the budget."""
        self._handle_clock_set_back(now)
        opens_at = max(self.gate.opens_at, self._budget.next_call_at(now))
        scan = self._scan if self._scan and not self._scan.wanted.isdisjoint(self.batches) else None
        if scan is None:
            opens_at = max(opens_at, min((batch.due_at for batch in self.batches.values()), default=math.inf))
        if opens_at > now:
            return Rest(opens_at)
        if scan is None:
            due = [batch for batch in self.batches.values() if batch.due_at <= now + _GATHER_SECONDS]
            scan = self._new_scan(due, now)
            if scan is None:
                return self._look_at_each(due, now)
        self._scan = scan
        self._budget.take(1)
        return LookAtPage(scan.after_id)

    def saw_page(self, look: Look, now: float) -> list[WatchedBatch]:
        """Note a page; return the batches with news."""
        scan, self._scan = self._scan or ListScan(set(), now, self._jitter()), None
        news = []
        for sighting in look.sightings:
            watched = self.batches.get(sighting.id)
            if watched is not None:
                watched.note_listed(scan.page)
                if watched.saw(sighting, now, since=scan.began_at, not_before=now, jitter=scan.jitter):
                    news.append(watched)
        self.gate.succeeded()
        self._list.succeeded()
        if look.retry_after_seconds:
            self.gate.hold(now, look.retry_after_seconds)
        scan.wanted.difference_update(sighting.id for sighting in look.sightings)
        self._go_on(scan, look, now)
        return news

    def saw_each(self, looks: Mapping[str, Look], failures: Mapping[str, Exception], now: float) -> list[WatchedBatch]:
        """Note the batches that were retrieved and those that could not be; return those with news."""
        jitter = self._jitter()
        news = []
        for batch_id, look in looks.items():
            watched = self.batches.get(batch_id)
            not_before = now + bounded_retry_after(look.retry_after_seconds)
            (sighting,) = look.sightings
            if watched is not None and watched.saw(sighting, now, since=now, not_before=not_before, jitter=jitter):
                news.append(watched)
        if looks:
            self.gate.succeeded()
        for batch_id, error in failures.items():
            watched = self.batches.get(batch_id)
            if watched is not None and watched.failed(error, now, jitter=jitter):
                news.append(watched)
        self._list.retrieved(now, succeeded=bool(looks))
        self._slow_down(list(failures.values()), now, jitter)
        return news

    def page_failed(self, error: Exception, now: float) -> list[WatchedBatch]:
        """Note a page that failed; return the wanted batches for which that is news."""
        scan, self._scan = self._scan, None
        jitter = self._jitter()
        self._slow_down([error], now, jitter)
        is_no_news = self._list.fails_alone  # and says nothing about any batch
        self._list.failed(classify_failure(error), now)
        if scan is None or is_no_news:
            return []
        wanted = [self.batches[batch_id] for batch_id in scan.wanted if batch_id in self.batches]
        return [watched for watched in wanted if watched.failed(error, now, jitter=jitter)]

    def failures_in_a_row(self, error: Exception, batch_id: str | None) -> int:
        """Return how many checks have failed in a row, with this one: of the connection, of one batch or of the list.

        :param batch_id: the batch that was checked; None for a page of the list.
        """
        if is_of_the_connection(classify_failure(error)):
            return self.gate.failures
        if batch_id is None:
            return self._list.failures
        return self.batches[batch_id].failures if batch_id in self.batches else 1

    def _new_scan(self, due: list[WatchedBatch], now: float) -> ListScan | None:
        """Return a scan for the due batches, or else for the nearly due ones: retrieved batches have drifted apart."""
        if self._list.is_closed(now) or self._list.wants_probe:
            return None
        for batches in (due, self.batches.values()):
            listed = [batch for batch in batches if batch.unlisted_until <= now and batch.is_nearly_due(now)]
            pages = 1 + max((batch.depth for batch in listed), default=0)
            if len(listed) > max(RETRIEVE_UP_TO, pages):
                return ListScan({batch.id for batch in listed}, now, self._jitter())
        return None

    def _look_at_each(self, due: list[WatchedBatch], now: float) -> LookAtEach:
        is_probe = self._list.wants_probe and not self._list.is_closed(now)
        calls = min(RETRIEVE_UP_TO if is_probe else AT_ONCE, self._budget.available(now))
        chosen = heapq.nsmallest(calls, due, key=lambda batch: batch.due_at)
        self._budget.take(len(chosen))
        return LookAtEach(tuple(batch.id for batch in chosen))

    def _go_on(self, scan: ListScan, look: Look, now: float) -> None:
        """Continue the scan, unless the rest is few enough to be retrieved or cannot be found in the list."""
        scan.page += 1
        if scan.has_come_to_an_end(look.next_page):
            self._not_found_in_list([self.batches[name] for name in scan.wanted if name in self.batches], look, now)
        elif len(scan.wanted) > RETRIEVE_UP_TO:
            scan.after_id = look.next_page
            self._scan = scan

    def _not_found_in_list(self, missed: list[WatchedBatch], look: Look, now: float) -> None:
        """Mark missed batches to be retrieved; if many may only be too new, check the list once more for them."""
        for watched in missed:
            is_perhaps_late = watched.note_not_listed(now, is_whole=look.next_page is None)
            if is_perhaps_late and len(missed) > RETRIEVE_UP_TO:
                watched.due_at = now + backoff_seconds(1, 0.0)

    def _slow_down(self, errors: list[Exception], now: float, jitter: float) -> None:
        """Close the gate once for calls that failed together, for the longest pause that the service asks for."""
        retry_after = max((getattr(error, "retry_after_seconds", None) or 0.0 for error in errors), default=0.0)
        if any(is_of_the_connection(classify_failure(error)) for error in errors):
            self.gate.failed(now, retry_after=retry_after, jitter=jitter)
        elif retry_after:
            self.gate.hold(now, retry_after)

    def _handle_clock_set_back(self, now: float) -> None:
        """Make everything due now if the clock was set back, instead of waiting until it reaches the old time again."""
        if now < self._latest - _CLOCK_SET_BACK_SECONDS:
            self.gate.opens_at = min(self.gate.opens_at, now)
            self._list.open_by(now)
            for watched in self.batches.values():
                if not watched.has_ended:
                    watched.due_at, watched.unlisted_until = now, -math.inf
        self._latest = now
