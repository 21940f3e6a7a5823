"""One wait at a watcher: the news it gets, when it is over, and with which outcome."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import pendulum

from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.watching.wait import BatchWait, expiry, utc_text
from anthropic_batches_provider.batches.watching.watched_batch import WatchedBatch

Outcome = Literal["ended", "deadline", "not_found", "unreachable"]

_LONGEST_DOZE_SECONDS = 300.0  # bounds the delay of a warning, and of a deadline after the clock was set
_FIRST_LOOK_SECONDS = 60.0
_LAST_LOOK_SECONDS = 10.0
_SPREAD_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log of the task that waits.

    :param level: a level of :mod:`logging`.
    """

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class News:
    """The events since the last news; ``outcome`` is given once, with the last news."""

    notes: list[Note] = field(default_factory=list)
    outcome: Outcome | None = None

    def __bool__(self) -> bool:
        return bool(self.notes or self.outcome)


class Subscription:
    """Decides without waiting when its wait is over; only :meth:`news` waits.

    :param wait: the batches to wait for.
    :param connection: name of the connection, for messages.
    :param deadline: seconds since the epoch; None for none. After it, ten seconds remain for a last check of each
        batch. If it has already passed at the start, a minute remains: batches may have ended while nobody could check.
    :param now: the wall clock, in seconds since the epoch.
    """

    def __init__(self, wait: BatchWait, *, connection: str, deadline: float | None, now: Callable[[], float]) -> None:
        self.wait = wait
        self._connection = connection
        self.deadline = deadline
        self._now = now
        self._began = now()
        self._watched: dict[str, WatchedBatch] = {}
        self._troubled: set[str] = set()
        self._denied: set[str] = set()
        self._notes: list[Note] = []
        self._wake = asyncio.Event()

    def follow(self, watched: WatchedBatch) -> None:
        """Start from the known state of a batch."""
        self._watched[watched.id] = watched
        if watched.looks:
            self.learn(watched)

    def learn(self, watched: WatchedBatch) -> None:
        """Note the news of a batch."""
        if watched.sighting is not None:
            self._see(watched)
        self._note_trouble(watched)
        (self._denied.add if watched.is_denied else self._denied.discard)(watched.id)
        if self._notes or self._outcome(self._now()):
            self._wake.set()

    async def news(self) -> News:
        """Wait for something to report, or for the outcome."""
        while True:
            self._wake.clear()
            now = self._now()
            warnings = [Note(logging.WARNING, text) for text in self.wait.warnings(pendulum.from_timestamp(now))]
            if (line := self.wait.progress(now, began=self._began, next_check=self._next_check())) is not None:
                self._notes.append(Note(logging.INFO, line))
            notes, self._notes = self._notes + warnings, []
            if news := News(notes, self._outcome(now)):
                return news
            with suppress(TimeoutError):
                async with asyncio.timeout(self._doze_seconds(now)):
                    await self._wake.wait()

    def event(self, outcome: Outcome) -> dict[str, Any]:
        """Return the payload of the trigger's event: ids, counts, moments and sentences."""
        errors = {watched.id: watched.last_error for watched in self._watched.values()}
        failures = {batch_id: error for batch_id, error in errors.items() if error is not None}
        return {
            "outcome": outcome,
            "reason": self._reason(outcome),
            "batch_ids": list(self.wait.batch_ids),
            "ended": [batch.id for batch in self.wait.ended],
            "ended_at": {
                batch.id: batch.ended_at.isoformat() for batch in self.wait.ended if batch.ended_at is not None
            },
            "lost": [batch_id for batch_id in self.wait.pending if batch_id in self._denied],
            "still_running": [str(running) for running in self.wait.still_running(failures)],
            "request_counts": self.wait.request_counts.as_dict(),
        }

    def _outcome(self, now: float) -> Outcome | None:
        if self.wait.batch_ids and self.wait.is_over:
            return "ended"
        if self._denied and (self.wait.wait_for == "all" or len(self._denied) == len(self.wait.pending)):
            return "not_found" if self._denied_kinds() == {"not_found"} else "unreachable"
        if self.deadline is None or now < self.deadline:
            return None
        patience = _LAST_LOOK_SECONDS if self._began < self.deadline else _FIRST_LOOK_SECONDS
        at = max(self.deadline, self._began)
        is_known = all(watched.has_ended or watched.looked_at >= at for watched in self._watched.values())
        return "deadline" if is_known or now >= at + patience else None

    def _next_check(self) -> float | None:
        """Return when the next check of a batch is due; None if there is nothing to check."""
        due = min((watched.due_at for watched in self._watched.values()), default=math.inf)
        return None if math.isinf(due) else due

    def _doze_seconds(self, now: float) -> float:
        left = max(self.wait.next_progress(now, began=self._began) - now, 1.0)
        if self.deadline is not None:
            left = min(left, max(self.deadline - now, 1.0))
        # Thousands of waits that stop, or report, at one moment need not do so in one turn of the loop.
        return min(left + random.random() * min(_SPREAD_SECONDS, left / 20), _LONGEST_DOZE_SECONDS)

    def _see(self, watched: WatchedBatch) -> None:
        sighting = watched.sighting
        if sighting is None:
            return
        before = self.wait.last_seen(watched.id)
        batch = sighting.batch()
        self.wait.saw(batch)
        if before is None or before.processing_status != batch.processing_status:
            self._notes.append(Note(logging.INFO, f"{batch.id}: {_described(batch)}"))

    def _note_trouble(self, watched: WatchedBatch) -> None:
        """Note once that checks have begun to fail, and once that they succeed again."""
        if watched.is_troubled and not self._troubled:
            since = pendulum.from_timestamp(watched.failing_since).to_time_string()
            self._notes.append(
                Note(
                    logging.WARNING,
                    f"Checks of {watched.id} have been failing since {since} UTC. Batches continue to run, and the "
                    f"checks are repeated: {watched.last_error or 'no answer'}",
                )
            )
        if watched.is_troubled:
            self._troubled.add(watched.id)
        elif watched.id in self._troubled:
            self._troubled.discard(watched.id)
            if not self._troubled:
                self._notes.append(Note(logging.INFO, "Checks succeed again."))

    def _denied_kinds(self) -> set[str]:
        denials = (self._watched[batch_id].denial for batch_id in self._denied)
        return {denial.kind for denial in denials if denial is not None}

    def _reason(self, outcome: Outcome) -> str | None:
        if outcome not in ("not_found", "unreachable"):
            return None
        first = next(self._watched[batch_id] for batch_id in self.wait.pending if batch_id in self._denied)
        others = f" and {len(self._denied) - 1} more" if len(self._denied) > 1 else ""
        minutes = (self._now() - (first.denial.since if first.denial else self._now())) / 60
        looks = first.denial.looks if first.denial else 0
        if outcome == "not_found":
            found = (
                f"The API does not know batch {first.id}{others} (checks: {looks}, over {minutes:.0f} min): "
                "the likeliest cause is a key of another workspace."
            )
            cause = (
                f"Give connection {self._connection} a key of the workspace that made the batch, "
                "or that workspace's workspace_id."
            )
        else:
            found = (
                f"The API refuses the key of connection {self._connection} (checks: {looks}, of {first.id}{others}, "
                f"over {minutes:.0f} min, with the connection read again in between: {first.last_error})."
            )
            cause = "Give the connection a key that may read batches in their workspace."
        return (
            f"{found} {cause} Then clear this task, or let it retry. Nothing was canceled or sent again: batches "
            "continue to run, requests they finish are billed, and results are kept for 29 days."
        )


def _described(batch: MessageBatch) -> str:
    counts = batch.request_counts
    if batch.has_ended:
        ends = ", ".join(f"{number:,} {name}" for name, number in counts.as_dict().items() if number)
        return f"ended at {utc_text(batch.ended_at)}: {ends}" if batch.ended_at else f"ended: {ends}"
    requests = f"{counts.total:,}" if counts.are_known else "not known"
    return f"{batch.processing_status}, requests: {requests}{expiry(batch)}"
