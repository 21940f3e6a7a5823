"""When to poll, when a wait is over, and what the log says meanwhile."""

from __future__ import annotations

import pendulum
import pytest

from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.batches.watching.look_intervals import delay_seconds
from anthropic_batches_provider.batches.watching.wait import BatchWait
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


def wait_for(*names: str, any_one: bool = False) -> BatchWait:
    return BatchWait(names, poll_interval=60, wait_for="any" if any_one else "all")


@pytest.mark.parametrize(
    ("age_seconds", "expected"), [(0, 2), (20, 2), (60, 6), (599, 59.9), (600, 60), (86_400, 60), (-3600, 2)]
)
def test_young_batches_are_looked_at_early_and_old_ones_at_the_interval(age_seconds: float, expected: float) -> None:
    assert delay_seconds(poll_interval=60, age_seconds=age_seconds, jitter=0) == pytest.approx(expected)


def test_an_interval_below_two_seconds_is_kept() -> None:
    assert delay_seconds(poll_interval=0.5, age_seconds=9999, jitter=0) == 0.5


def test_jitter_only_shortens_a_delay_so_that_the_interval_bounds_it() -> None:
    assert delay_seconds(poll_interval=60, age_seconds=9999, jitter=0) == 60
    assert delay_seconds(poll_interval=60, age_seconds=9999, jitter=1) == pytest.approx(48)


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


def test_what_has_ended_stays_so_whatever_an_older_view_says() -> None:
    wait = wait_for("a", "b")
    wait.saw(batch("a", ended=True))
    wait.saw(batch("a"))
    wait.saw(batch("b", ended=True))
    assert (wait.is_over, len(wait.ended), wait.request_counts.succeeded) == (True, 2, 6)


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


def test_a_successful_look_forgets_the_failure() -> None:
    wait = wait_for("msgbatch_1")
    wait.failed("msgbatch_1", RateLimitedError("slow", status=429, retry_after_seconds=300))
    assert "the latest check failed: slow" in str(wait.still_running()[0])
    wait.saw(batch())
    assert "slow" not in str(wait.still_running()[0])
    assert wait.last_seen("msgbatch_1") == batch()


def test_ten_thousand_batches_are_waited_for_in_the_order_given_each_once() -> None:
    names = [f"msgbatch_{number}" for number in range(10_000)]
    wait = BatchWait([*names, names[0]], poll_interval=60)
    for name in reversed(names):
        assert not wait.is_over
        wait.saw(batch(name, ended=True))
    assert wait.is_over
    assert wait.batch_ids == tuple(names)
    assert wait.request_counts.succeeded == 30_000


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


def told(wait: BatchWait, *seconds: float) -> list[str | None]:
    return [wait.progress(1_000.0 + passed, began=1_000.0, next_check=1_000.0 + passed + 42) for passed in seconds]


def test_a_line_tells_how_long_the_wait_is_at_marks_and_once_each() -> None:
    wait = BatchWait(["a", "b"], poll_interval=60)
    moments = (0, 59, 60, 100, 299, 301, 899, 901, 3599, 3600, 7199, 7200, 20_000, 20_001)
    lines = told(wait, *moments)
    due = [moment for moment, line in zip(moments, lines, strict=True) if line is not None]
    assert due == [60, 301, 901, 3600, 7200, 20_000]
    assert lines[2] == (
        "Waiting for 1 minute: 2 of 2 batches have not ended. Most batches end within an hour, and each within 24 h "
        "of its creation. The next check is in 42 s."
    )
    assert lines[-2] is not None
    assert lines[-2].startswith("Waiting for 6 hours: ")


def test_a_wait_that_is_over_or_for_time_alone_tells_nothing() -> None:
    wait = BatchWait(["a"], poll_interval=60)
    wait.saw(batch("a", ended=True))
    assert told(wait, 60, 3600) == [None, None]
    assert told(BatchWait([], poll_interval=60), 60, 3600) == [None, None]


@pytest.mark.parametrize(
    ("passed", "due"), [(-5, 60), (0, 60), (60, 300), (299.9, 300), (900, 3600), (3600, 7200), (100_000, 100_800)]
)
def test_the_next_line_is_due_at_the_next_mark(passed: float, due: float) -> None:
    assert BatchWait(["a"], poll_interval=60).next_progress(1_000.0 + passed, began=1_000.0) == 1_000.0 + due
