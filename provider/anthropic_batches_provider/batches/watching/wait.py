"""The state of one wait: the batches as last seen, whether it is over, and the warnings to log meanwhile.

Pure: its inputs are the batches seen and the current moment. A failed check decides nothing: it is remembered for the
message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import pendulum

from anthropic_batches_provider.batches.limits import BATCH_EXPIRES_AFTER, RESULTS_AVAILABLE_FOR
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import MessageBatchesError

_HOUR = 3600.0
_EXPIRY_WARNINGS_HOURS = (6, 2)
_RESULTS_WARNING_HOURS = 72
_FIRST_MARKS = (60.0, 300.0, 900.0)

WaitFor = Literal["all", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRunning:
    """A batch that is not known to have ended.

    :param batch: the batch as it was last seen; None if it was never seen.
    :param last_failure: why the latest check of it failed; None if it succeeded.
    """

    batch_id: str
    batch: MessageBatch | None
    last_failure: str | None

    def __str__(self) -> str:
        if self.batch is None:
            seen = "never seen"
        else:
            seen = f"{self.batch.processing_status}{expiry(self.batch)}"
        return (
            f"{self.batch_id} ({seen}{f'; the latest check failed: {self.last_failure}' if self.last_failure else ''})"
        )


class BatchWait:
    """One wait for batches.

    :param batch_ids: the batches to wait for; empty if the wait is only for time to pass.
    :param poll_interval: the longest time between two checks of a batch, in seconds.
    :param wait_for: ``all`` of them, or ``any`` one.
    """

    def __init__(self, batch_ids: Sequence[str], *, poll_interval: float, wait_for: WaitFor = "all") -> None:
        self.poll_interval = poll_interval
        self.wait_for: WaitFor = wait_for
        self._seen: dict[str, MessageBatch | None] = dict.fromkeys(batch_ids)
        self._pending = dict.fromkeys(batch_ids)
        self._failures: dict[str, Exception] = {}
        self._warned: set[tuple[str, str]] = set()
        self._marks_told = 0

    @property
    def batch_ids(self) -> tuple[str, ...]:
        """The batches to wait for, in the order given."""
        return tuple(self._seen)

    @property
    def pending(self) -> tuple[str, ...]:
        """The batches that are not known to have ended, in the order given."""
        return tuple(self._pending)

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
        """Whether enough batches have ended: all of them, or any one."""
        return len(self._pending) < len(self._seen) if self.wait_for == "any" else not self._pending

    def last_seen(self, batch_id: str) -> MessageBatch | None:
        """Return a batch as it was last seen; None if it never was."""
        return self._seen[batch_id]

    def saw(self, batch: MessageBatch) -> None:
        """Note a successful check; ignore an older view of a batch that has ended, which stays ended."""
        before = self._seen.get(batch.id)
        if before is not None and before.has_ended and not batch.has_ended:
            return
        self._seen[batch.id] = batch
        self._failures.pop(batch.id, None)
        if batch.has_ended:
            self._pending.pop(batch.id, None)

    def failed(self, batch_id: str, error: Exception) -> None:
        """Note a failed check; it never ends the wait."""
        self._failures[batch_id] = error

    def still_running(self, failures: Mapping[str, Exception] = MappingProxyType({})) -> list[StillRunning]:
        """Return the last known state of each pending batch.

        :param failures: by batch, why its latest check failed, in addition to the failures noted by :meth:`failed`.
        """
        latest = {**self._failures, **failures}
        return [
            StillRunning(batch_id=batch_id, batch=self._seen[batch_id], last_failure=_described(latest.get(batch_id)))
            for batch_id in self.pending
        ]

    def warnings(self, now: pendulum.DateTime) -> list[str]:
        """Return the warnings that are due now, each once: of a near expiry, or a near loss of results."""
        found = []
        moment = now.timestamp()
        for batch in self._seen.values():
            if batch is None or (warning := _warning(batch, moment)) is None:
                continue
            name, text = warning
            if (batch.id, name) not in self._warned:
                self._warned.add((batch.id, name))
                found.append(text)
        return found

    def progress(self, now: float, *, began: float, next_check: float | None) -> str | None:
        """Return a line about the wait if one is due: after 1, 5 and 15 minutes, and after each hour.

        :param now: seconds since the epoch.
        :param began: when the wait began.
        :param next_check: when the next check of a batch is due; None if that is not known.
        """
        marks = _marks(now - began)
        if marks <= self._marks_told or not self._pending:
            return None
        self._marks_told = marks
        checked = "" if next_check is None else f" The next check is in {max(next_check - now, 0):.0f} s."
        return (
            f"Waiting for {_duration(now - began)}: {len(self._pending):,} of {counted(len(self._seen), 'batch')} "
            f"{'has' if len(self._pending) == 1 else 'have'} not ended. Most batches end within an hour, and each "
            f"within {BATCH_EXPIRES_AFTER.total_seconds() / _HOUR:.0f} h of its creation.{checked}"
        )

    def next_progress(self, now: float, *, began: float) -> float:
        """Return when the next line of :meth:`progress` is due, in seconds since the epoch."""
        passed = max(now - began, 0.0)
        ahead = (mark for mark in _FIRST_MARKS if mark > passed)
        return began + next(ahead, (passed // _HOUR + 1) * _HOUR)


def _marks(passed: float) -> int:
    """Return how many lines are due after so many seconds."""
    return sum(passed >= mark for mark in _FIRST_MARKS) + max(int(passed // _HOUR), 0)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return counted(minutes, "minute") if minutes < 60 else counted(round(minutes / 60), "hour")


def expiry(batch: MessageBatch) -> str:
    """Return when a batch expires, as the end of a description; nothing if the API does not say."""
    return "" if batch.expires_at is None else f", expires at {utc_text(batch.expires_at)}"


def utc_text(moment: pendulum.DateTime) -> str:
    """Return a moment of UTC as text; pendulum's own formats read a locale from disk, which blocks an event loop."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _described(failure: Exception | None) -> str | None:
    if failure is None:
        return None
    return str(failure) if isinstance(failure, MessageBatchesError) else f"{type(failure).__name__}: {failure}"


def _warning(batch: MessageBatch, now: float) -> tuple[str, str] | None:
    """Return the warning that is due, and its name; in plain seconds, since a job may have thousands of batches."""
    if batch.has_ended:
        if batch.created_at is None:
            return None
        hours = (batch.created_at.timestamp() + RESULTS_AVAILABLE_FOR.total_seconds() - now) / _HOUR
        if hours >= _RESULTS_WARNING_HOURS:
            return None
        return "results", (
            f"The results of {batch.id} are kept until 29 days after its creation: {_text(hours)} are left. "
            "Collect them now; after that, they are lost although they were paid for."
        )
    if batch.expires_at is None:
        return None
    hours = (batch.expires_at.timestamp() - now) / _HOUR
    under = [limit for limit in _EXPIRY_WARNINGS_HOURS if hours < limit]
    if not under:
        return None
    return f"expiry {under[-1]}", (
        f"{batch.id} has not ended and expires in {_text(hours)} ({BATCH_EXPIRES_AFTER.total_seconds() / _HOUR:.0f} h "
        f"after its creation). Requests still processing: {batch.request_counts.processing:,}. Those that expire "
        "are not billed and can be sent again."
    )


def _text(hours: float) -> str:
    return f"{max(hours, 0) / 24:.1f} days" if hours >= 48 else f"{max(hours, 0):.1f} hours"
