"""When to look, when a wait is over, and what people are told meanwhile."""

from __future__ import annotations

import pendulum
import pytest

from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.polling import BatchWait, delay_seconds
from anthropic_batches_provider.errors import ApiConnectionError, BatchNotFoundError, RateLimitedError

CREATED = pendulum.datetime(2026, 11, 21, 12)


def batch(name: str = "msgbatch_1", *, ended: bool = False, canceling: bool = False) -> MessageBatch:
    return MessageBatch(
        id=name,
        processing_status="ended" if ended else "canceling" if canceling else "in_progress",
        request_counts=RequestCounts(succeeded=3) if ended else RequestCounts(processing=3),
        created_at=CREATED,
        expires_at=CREATED.add(hours=24),
        ended_at=CREATED.add(minutes=5) if ended else None,
    )


def wait_for(*names: str, poll_interval: float = 60, any_one: bool = False) -> BatchWait:
    return BatchWait(names, poll_interval=poll_interval, wait_for="any" if any_one else "all", jitter=lambda: 0.5)


@pytest.mark.parametrize(
    ("age_seconds", "failures", "retry_after", "expected"),
    [
        (0, 0, 0, 2),
        (60, 0, 0, 6),
        (599, 0, 0, 59.9),
        (86_400, 0, 0, 60),
        (0, 1, 0, 60),
        (0, 2, 0, 120),
        (0, 5, 0, 480),
        (0, 50, 0, 480),
        (0, 0, 30, 30),
        (0, 1, 3600, 3600),
    ],
)
def test_young_batches_are_looked_at_early_and_failures_slow_down(
    age_seconds: float, failures: int, retry_after: float, expected: float
) -> None:
    delay = delay_seconds(poll_interval=60, age_seconds=age_seconds, failures=failures, retry_after_seconds=retry_after)
    assert delay == pytest.approx(expected)


def test_jitter_spreads_a_delay_by_a_tenth_each_way() -> None:
    assert delay_seconds(poll_interval=60, age_seconds=9999, jitter=0) == pytest.approx(54)
    assert delay_seconds(poll_interval=60, age_seconds=9999, jitter=1) == pytest.approx(66)


def test_a_wait_for_all_is_over_when_the_last_has_ended() -> None:
    wait = wait_for("a", "b")
    wait.saw(batch("a", ended=True))
    assert (wait.is_over, wait.pending) == (False, ("b",))
    wait.saw(batch("b", ended=True))
    assert (wait.is_over, wait.pending) == (True, ())


def test_a_wait_for_any_is_over_when_the_first_has_ended() -> None:
    wait = wait_for("a", "b", any_one=True)
    assert not wait.is_over
    wait.saw(batch("b", ended=True))
    assert wait.is_over


def test_a_canceling_batch_has_not_ended() -> None:
    wait = wait_for("msgbatch_1")
    wait.saw(batch(canceling=True))
    assert not wait.is_over


@pytest.mark.parametrize(
    "error",
    [
        ApiConnectionError("no route", connected=False),
        BatchNotFoundError("no such batch", status=404),
        RateLimitedError("slow", status=429, retry_after_seconds=300),
        ValueError("a bug"),
    ],
)
def test_no_failed_look_ends_a_wait_however_often(error: Exception) -> None:
    wait = wait_for("msgbatch_1")
    for _ in range(1000):
        wait.failed("msgbatch_1", error)
    assert not wait.is_over
    assert str(error) in str(wait.still_running()[0])
    assert wait.next_delay_seconds(CREATED) >= 60


def test_a_successful_look_forgets_the_failures() -> None:
    wait = wait_for("msgbatch_1")
    wait.failed("msgbatch_1", RateLimitedError("slow", status=429, retry_after_seconds=300))
    assert wait.next_delay_seconds(CREATED) == 300
    wait.saw(batch())
    assert wait.next_delay_seconds(CREATED) == 2
    assert "slow" not in str(wait.still_running()[0])


def test_many_batches_that_fail_once_slow_down_no_more_than_one() -> None:
    names = [f"msgbatch_{number}" for number in range(20)]
    wait = wait_for(*names)
    for name in names:
        wait.failed(name, ApiConnectionError("no route", connected=False))
    assert wait.next_delay_seconds(CREATED) == 60


def test_a_coming_expiry_is_told_once_under_six_and_once_under_two_hours() -> None:
    wait = wait_for("msgbatch_1")
    wait.saw(batch())
    assert wait.warnings(CREATED.add(hours=17)) == []
    (six,) = wait.warnings(CREATED.add(hours=18, minutes=30))
    assert "expires in 5.5 hours" in six
    assert wait.warnings(CREATED.add(hours=19)) == []
    (two,) = wait.warnings(CREATED.add(hours=22, minutes=30))
    assert "expires in 1.5 hours" in two
    assert wait.warnings(CREATED.add(hours=23)) == []


def test_the_end_of_the_29_days_is_told_in_time() -> None:
    wait = wait_for("msgbatch_1")
    wait.saw(batch(ended=True))
    assert wait.warnings(CREATED.add(days=25)) == []
    (warning,) = wait.warnings(CREATED.add(days=27))
    assert "2.0 days are left" in warning
