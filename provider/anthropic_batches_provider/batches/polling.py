"""Decides when to look at batches, when a wait is over and what people should be told meanwhile.

Pure: it takes what was seen and the moment, and says what to do; loops, blocking or not, only carry it out. A failed
look decides nothing: it slows the next one down and is remembered for the message.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pendulum

from anthropic_batches_provider.batches.limits import BATCH_EXPIRES_AFTER, RESULTS_AVAILABLE_FOR
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.errors import MessageBatchesError

_SHORTEST_DELAY_SECONDS = 2.0
_SHARE_OF_AGE = 0.1
_FAILURE_DOUBLINGS = 3
_EXPIRY_WARNINGS_HOURS = (6, 2)
_RESULTS_WARNING = pendulum.duration(days=3)

WaitFor = Literal["all", "any"]


def delay_seconds(
    *,
    poll_interval: float,
    age_seconds: float,
    failures: int = 0,
    retry_after_seconds: float = 0.0,
    jitter: float = 0.5,
) -> float:
    """Return how long to wait before the next look.

    Young batches are looked at early, since many end within minutes: a tenth of their age, 2 s at least and
    ``poll_interval`` at most. Failed looks double the interval, up to eightfold; the service's ``Retry-After`` is
    obeyed.

    :param poll_interval: the longest delay without failures, in seconds.
    :param age_seconds: age of the youngest batch that is waited for.
    :param failures: looks at one batch that failed in a row.
    :param jitter: 0 to 1; spreads the delay over 90% to 110%, so that waits do not fall into step.
    """
    delay = min(poll_interval, max(_SHORTEST_DELAY_SECONDS, age_seconds * _SHARE_OF_AGE))
    if failures:
        delay = poll_interval * 2.0 ** min(failures - 1, _FAILURE_DOUBLINGS)
    return max(delay * (0.9 + 0.2 * jitter), retry_after_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRunning:
    """A batch that has not been seen to end.

    :param batch: as it was last seen; None if it was never seen.
    :param last_failure: why the latest look at it failed; None if it succeeded.
    """

    batch_id: str
    batch: MessageBatch | None
    last_failure: str | None

    def __str__(self) -> str:
        if self.batch is None:
            seen = "never seen"
        else:
            seen = f"{self.batch.processing_status}, expires at {self.batch.expires_at.to_datetime_string()} UTC"
        return (
            f"{self.batch_id} ({seen}{f'; the latest look failed: {self.last_failure}' if self.last_failure else ''})"
        )


class BatchWait:
    """One wait for batches.

    :param batch_ids: what is waited for; at least one, unless only time is waited for.
    :param wait_for: ``all`` of them, or ``any`` one.
    :param jitter: gives a number from 0 to 1.
    """

    def __init__(
        self,
        batch_ids: Sequence[str],
        *,
        poll_interval: float,
        wait_for: WaitFor = "all",
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._seen: dict[str, MessageBatch | None] = dict.fromkeys(batch_ids)
        self._failures: dict[str, str] = {}
        self._failures_in_a_row: Counter[str] = Counter()
        self._retry_after_seconds = 0.0
        self._poll_interval = poll_interval
        self._wait_for = wait_for
        self._jitter = jitter
        self._told: set[tuple[str, str]] = set()

    @property
    def pending(self) -> tuple[str, ...]:
        """The batches that have not been seen to end, in the order given."""
        return tuple(batch_id for batch_id, batch in self._seen.items() if batch is None or not batch.has_ended)

    @property
    def ended(self) -> tuple[MessageBatch, ...]:
        """The batches that were seen to have ended."""
        return tuple(batch for batch in self._seen.values() if batch is not None and batch.has_ended)

    @property
    def request_counts(self) -> RequestCounts:
        """The sum over the batches that were seen to have ended."""
        return sum((batch.request_counts for batch in self.ended), start=RequestCounts())

    @property
    def is_over(self) -> bool:
        """Whether what was waited for has happened."""
        return bool(self.ended) if self._wait_for == "any" else not self.pending

    def saw(self, batch: MessageBatch) -> None:
        """Take note of a successful look."""
        self._seen[batch.id] = batch
        self._failures.pop(batch.id, None)
        self._failures_in_a_row.pop(batch.id, None)
        self._retry_after_seconds = 0.0

    def failed(self, batch_id: str, error: Exception) -> None:
        """Take note of a failed look; it never ends the wait."""
        reason = str(error) if isinstance(error, MessageBatchesError) else f"{type(error).__name__}: {error}"
        self._failures[batch_id] = reason
        self._failures_in_a_row[batch_id] += 1
        self._retry_after_seconds = getattr(error, "retry_after_seconds", None) or 0.0

    def next_delay_seconds(self, now: pendulum.DateTime) -> float:
        """Return how long to wait before looking at the pending batches again."""
        births = [batch.created_at for batch in self._seen.values() if batch is not None and not batch.has_ended]
        age_seconds = (now - max(births)).total_seconds() if births else 0.0
        return delay_seconds(
            poll_interval=self._poll_interval,
            age_seconds=age_seconds,
            failures=max(self._failures_in_a_row.values(), default=0),
            retry_after_seconds=self._retry_after_seconds,
            jitter=self._jitter(),
        )

    def still_running(self) -> list[StillRunning]:
        """Return what is known of each pending batch."""
        return [
            StillRunning(batch_id=batch_id, batch=self._seen[batch_id], last_failure=self._failures.get(batch_id))
            for batch_id in self.pending
        ]

    def warnings(self, now: pendulum.DateTime) -> list[str]:
        """Return what people should be told now, each thing once: an expiry or a loss of results that comes near."""
        found = []
        for batch in self._seen.values():
            if batch is not None and (warning := _warning(batch, now)) and (batch.id, warning[0]) not in self._told:
                self._told.add((batch.id, warning[0]))
                found.append(warning[1])
        return found


def _warning(batch: MessageBatch, now: pendulum.DateTime) -> tuple[str, str] | None:
    if batch.has_ended:
        left = batch.created_at + RESULTS_AVAILABLE_FOR - now
        if left >= _RESULTS_WARNING:
            return None
        return "results", (
            f"The results of {batch.id} are kept until 29 days after its creation: {_hours(left)} are left. "
            "Collect them now; after that they are lost and were paid for."
        )
    left = batch.expires_at - now
    under = [hours for hours in _EXPIRY_WARNINGS_HOURS if left < pendulum.duration(hours=hours)]
    if not under:
        return None
    return f"expiry {under[-1]}", (
        f"{batch.id} has not ended and expires in {_hours(left)} ({BATCH_EXPIRES_AFTER.total_seconds() / 3600:.0f} h "
        f"after its creation). {batch.request_counts.processing:,} of its requests are still processing; those that "
        "expire are not billed and can be sent again."
    )


def _hours(left: pendulum.Duration) -> str:
    hours = max(left.total_seconds(), 0) / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
