"""A wait for one batch, by a clock that jumps: when it checks again, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.one_batch_wait import OneBatchWait, wait_until_ended, wait_until_ended_async
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    BatchesNotEndedError,
    BatchNotFoundError,
    RateLimitedError,
    SpendLimitReachedError,
)

CREATED = pendulum.datetime(2026, 11, 21, 12)
HOUR = 3600.0


class JumpingClock:
    """A clock that advances by the time that is slept."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> pendulum.DateTime:
        return CREATED.add(seconds=self.seconds)

    def steady(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    async def asleep(self, seconds: float) -> None:
        self.seconds += seconds


def batch(*, ended: bool) -> MessageBatch:
    return MessageBatch(
        id="msgbatch_1",
        processing_status="ended" if ended else "in_progress",
        request_counts=RequestCounts(succeeded=3) if ended else RequestCounts(processing=3),
        created_at=CREATED,
        expires_at=CREATED.add(hours=24),
        ended_at=CREATED.add(minutes=5) if ended else None,
    )


class World:
    """The checks of one wait: when each was made, and its answer."""

    def __init__(self, answer: Callable[[float], Exception | bool]) -> None:
        self.clock = JumpingClock()
        self.checks: list[float] = []
        self._answer = answer

    def retrieve(self, batch_id: str) -> MessageBatch:
        self.checks.append(round(self.clock.seconds, 1))
        answer = self._answer(self.clock.seconds)
        if isinstance(answer, Exception):
            raise answer
        return batch(ended=answer)

    def wait(self, *, timeout: float | None = None, is_new: bool = False) -> MessageBatch:
        return wait_until_ended(self.retrieve, "msgbatch_1", self._new(timeout, is_new=is_new), self.clock)

    def wait_async(self, *, timeout: float | None = None) -> MessageBatch:
        async def retrieve(batch_id: str) -> MessageBatch:
            return self.retrieve(batch_id)

        wait = self._new(timeout, is_new=False)
        waiting = wait_until_ended_async(retrieve, "msgbatch_1", wait, self.clock, sleep=self.clock.asleep)
        return asyncio.run(waiting)

    def _new(self, timeout: float | None, *, is_new: bool) -> OneBatchWait:
        return OneBatchWait(
            "msgbatch_1", poll_interval=60, timeout=timeout, began=0.0, is_new=is_new, jitter=lambda: 0.0
        )


def ends_at(moment: float) -> Callable[[float], bool]:
    return lambda now: now >= moment


def not_found(**of_the_api: Any) -> BatchNotFoundError:
    return BatchNotFoundError("no such batch", status=404, **of_the_api)


KNOWN_404 = {"error_type": "not_found_error", "request_id": "req_1"}


@pytest.mark.parametrize("wait", [World.wait, World.wait_async])
def test_a_young_batch_is_checked_soon_and_an_old_one_at_the_interval(wait: Callable[[World], MessageBatch]) -> None:
    world = World(ends_at(1000))
    assert wait(world).has_ended
    assert world.checks[:4] == [0, 2, 4, 6]
    pauses = [later - earlier for earlier, later in zip(world.checks, world.checks[1:], strict=False)]
    assert max(pauses) == 60
    assert world.checks[-1] < 1060


@pytest.mark.parametrize("wait", [World.wait, World.wait_async])
def test_the_last_check_is_at_the_timeout_and_the_batch_runs_on(wait: Callable[..., MessageBatch]) -> None:
    world = World(ends_at(HOUR))
    with pytest.raises(BatchesNotEndedError, match=r"within 0:16:40 \(in_progress, 3 requests not done\)") as caught:
        wait(world, timeout=1000)
    assert world.checks[-1] == 1000
    assert caught.value.batch_ids == ("msgbatch_1",)


def test_a_batch_that_ends_just_before_the_timeout_is_returned() -> None:
    assert World(ends_at(999)).wait(timeout=1000).has_ended


@pytest.mark.parametrize(
    "failure",
    [
        ApiConnectionError("no answer", connected=True),
        ApiStatusError("overloaded", status=529),
        RateLimitedError("too many", status=429),
        not_found(),  # a gateway's, which says nothing of the batch
    ],
)
def test_a_failure_that_passes_is_waited_out(failure: Exception) -> None:
    world = World(lambda now: failure if now < 300 else True)
    assert world.wait().has_ended
    assert world.checks[:5] == [0, 2, 6, 14, 30]


def test_a_retry_after_is_respected_and_bounded() -> None:
    busy = RateLimitedError("too many", status=429, retry_after_seconds=500)
    world = World(lambda now: busy if now < 500 else True)
    world.wait()
    assert world.checks == [0, 500]
    endless = RateLimitedError("too many", status=429, retry_after_seconds=1e9)
    world = World(lambda now: endless if now < HOUR else True)
    world.wait()
    assert world.checks == [0, HOUR]


def test_a_timeout_inside_a_retry_after_asks_no_more() -> None:
    busy = RateLimitedError("too many", status=429, retry_after_seconds=500)
    world = World(lambda now: busy)
    with pytest.raises(BatchesNotEndedError, match="the latest check failed: too many"):
        world.wait(timeout=100)
    assert world.checks == [0]
    assert world.clock.seconds == 100


@pytest.mark.parametrize(
    "failure",
    [
        AuthenticationFailedError("no", status=401),
        SpendLimitReachedError("no", status=402),
        ApiStatusError("no", status=400),
        not_found(**KNOWN_404),
    ],
)
def test_a_failure_that_waiting_cannot_fix_ends_the_wait_at_once(failure: Exception) -> None:
    world = World(lambda now: failure)
    with pytest.raises(type(failure)):
        world.wait()
    assert world.checks == [0]


def test_a_batch_that_was_just_created_gets_a_moment_to_appear() -> None:
    world = World(lambda now: not_found(**KNOWN_404) if now < 12 else True)
    assert world.wait(is_new=True).has_ended
    assert world.checks == [0, 2, 12]
    world = World(lambda now: not_found(**KNOWN_404))
    with pytest.raises(BatchNotFoundError):
        world.wait(is_new=True)
    assert world.checks == [0, 2, 12, 42]


def test_a_batch_that_was_seen_and_is_deleted_ends_the_wait_at_once() -> None:
    world = World(lambda now: not_found(**KNOWN_404) if now >= 2 else False)
    with pytest.raises(BatchNotFoundError):
        world.wait(is_new=True)
    assert world.checks == [0, 2]


def test_an_outage_of_more_than_a_day_ends_the_wait_and_a_strange_404_of_ten_minutes_does() -> None:
    world = World(lambda now: ApiConnectionError("no answer", connected=False))
    with pytest.raises(ApiConnectionError):
        world.wait()
    assert 24 * HOUR < world.checks[-1] < 24.1 * HOUR
    world = World(lambda now: not_found())
    with pytest.raises(BatchNotFoundError):
        world.wait()
    assert 600 < world.checks[-1] < 750
