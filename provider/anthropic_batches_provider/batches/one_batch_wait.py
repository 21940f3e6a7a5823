"""The wait of code that may block for one batch: when to check it again, and when to stop.

Pure but for the two loops at the end. No failed check touches the batch: it runs on, whatever this wait does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.create_answers import is_the_apis_not_found
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.outages import pause_seconds
from anthropic_batches_provider.batches.pauses import UNTIL_KNOWN_SECONDS, bounded_retry_after
from anthropic_batches_provider.batches.watching.look_intervals import backoff_seconds, delay_seconds
from anthropic_batches_provider.errors import ApiError, BatchesNotEndedError, BatchNotFoundError

_STRANGE_404_SECONDS = 600.0  # a 404 that is not the API's own, such as a gateway's while it is replaced


class OneBatchWait:
    """Decides what follows each check of the batch; moments are seconds of a steady clock.

    :param poll_interval: the longest time between two checks, in seconds.
    :param timeout: how long to wait, in seconds; None for as long as it takes.
    :param began: the moment at which the wait began.
    :param is_new: whether the batch was created just now, so that the service may not know it everywhere yet.
    :param jitter: returns a number from 0 to 1.
    """

    def __init__(
        self,
        batch_id: str,
        *,
        poll_interval: float,
        timeout: float | None,
        began: float,
        is_new: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._batch_id = batch_id
        self._poll_interval = poll_interval
        self._timeout = timeout
        self._deadline = None if timeout is None else began + timeout
        self._until_known = list(UNTIL_KNOWN_SECONDS) if is_new else []
        self._jitter = jitter
        self._failures = 0
        self._failing_since = began
        self._not_before = began
        self._state = "it was never seen"

    def saw(self, batch: MessageBatch, now: float, *, age_seconds: float) -> float:
        """Note a check that found the batch running; return how many seconds to wait before the next.

        :raises BatchesNotEndedError: the time is up.
        """
        self._failures, self._until_known = 0, []
        self._state = f"{batch.processing_status}, {batch.request_counts.processing:,} requests not done"
        delay = delay_seconds(poll_interval=self._poll_interval, age_seconds=age_seconds, jitter=self._jitter())
        return self._until_deadline(delay, now)

    def failed(self, error: ApiError, now: float) -> float:
        """Note a check that failed; return how many seconds to wait before the next.

        :raises ApiError: the failure itself, if waiting cannot help.
        :raises BatchesNotEndedError: the time is up.
        """
        if self._failures == 0:
            self._failing_since = now
        if self._is_final(error, now):
            raise error
        self._failures += 1
        self._state = f"the latest check failed: {error}"
        asked = bounded_retry_after(getattr(error, "retry_after_seconds", None))
        self._not_before = now + asked
        if isinstance(error, BatchNotFoundError) and self._until_known:
            return self._until_deadline(self._until_known.pop(0), now)
        return self._until_deadline(max(backoff_seconds(self._failures, self._jitter()), asked), now)

    def check_due(self, now: float) -> None:
        """Check that the service may be asked now; it is not if the time was up before the end of a ``Retry-After``.

        :raises BatchesNotEndedError: the time is up.
        """
        if now < self._not_before:
            self._time_out()

    def _is_final(self, error: ApiError, now: float) -> bool:
        failing_seconds = now - self._failing_since
        if isinstance(error, BatchNotFoundError):
            if is_the_apis_not_found(error):
                return not self._until_known
            return failing_seconds > _STRANGE_404_SECONDS
        return pause_seconds(error, failures=self._failures, failing_seconds=failing_seconds) is None

    def _until_deadline(self, seconds: float, now: float) -> float:
        if self._deadline is None:
            return seconds
        if now >= self._deadline:
            self._time_out()
        return min(seconds, self._deadline - now)

    def _time_out(self) -> None:
        raise BatchesNotEndedError(
            f"Message batch {self._batch_id} had not ended within {timedelta(seconds=self._timeout or 0)} "
            f"({self._state}). Wait again, or collect its results later. The batch runs on: what it finishes is billed "
            "and kept for 29 days after its creation.",
            batch_ids=(self._batch_id,),
        )


def wait_until_ended(
    retrieve: Callable[[str], MessageBatch], batch_id: str, wait: OneBatchWait, clock: Clock
) -> MessageBatch:
    """Check a batch until it has ended; block meanwhile."""
    while True:
        try:
            batch = retrieve(batch_id)
            if batch.has_ended:
                return batch
            pause = wait.saw(batch, clock.steady(), age_seconds=_age_seconds(batch, clock))
        except ApiError as error:
            pause = wait.failed(error, clock.steady())
        clock.sleep(pause)
        wait.check_due(clock.steady())


async def wait_until_ended_async(
    retrieve: Callable[[str], Awaitable[MessageBatch]],
    batch_id: str,
    wait: OneBatchWait,
    clock: Clock,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> MessageBatch:
    """Check a batch until it has ended; leave the event loop to others meanwhile."""
    while True:
        try:
            batch = await retrieve(batch_id)
            if batch.has_ended:
                return batch
            pause = wait.saw(batch, clock.steady(), age_seconds=_age_seconds(batch, clock))
        except ApiError as error:
            pause = wait.failed(error, clock.steady())
        await sleep(pause)
        wait.check_due(clock.steady())


def _age_seconds(batch: MessageBatch, clock: Clock) -> float:
    return 0.0 if batch.created_at is None else (clock.now() - batch.created_at).total_seconds()
