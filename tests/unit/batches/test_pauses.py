"""How long each module pauses after consecutive failures, from the first on, and how long it trusts a Retry-After."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from anthropic_batches_provider.batches.client import calls
from anthropic_batches_provider.batches.client.failures import seconds_before_retry
from anthropic_batches_provider.batches.pauses import QUEUE_FULL, GrowingPause, bounded_retry_after
from anthropic_batches_provider.batches.watching.listing import list_pause_seconds
from anthropic_batches_provider.batches.watching.look_intervals import backoff_seconds
from anthropic_batches_provider.edge.ended_batch_watch import pause_after_failures
from anthropic_batches_provider.errors import ApiConnectionError

FAILURES = range(13)


def before_a_repetition(attempt: int) -> float | None:
    error = ApiConnectionError("no answer", connected=True)
    return seconds_before_retry(calls.retrieve("msgbatch_1"), error, attempt, len(FAILURES))


@pytest.mark.parametrize(
    ("pause_after", "expected"),
    [
        (before_a_repetition, [0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8, 8, 8, 8]),
        (lambda failures: backoff_seconds(failures, 0.0), [1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120, 120, 120]),
        (
            lambda failures: backoff_seconds(failures, 1.0),
            [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 96, 96, 96, 96, 96, 96],
        ),
        (list_pause_seconds, [7.5, 15, 30, 60, 120, 240, 480, 600, 600, 600, 600, 600, 600]),
        (QUEUE_FULL.seconds, [60, 120, 240, 480, 600, 600, 600, 600, 600, 600, 600, 600, 600]),
        (
            lambda failures: pause_after_failures(failures, poll_interval=60),
            [60, 60, 120, 240, 480, 480, 480, 480, 480, 480, 480, 480, 480],
        ),
    ],
    ids=["client", "look", "look, shortened by jitter", "list", "full queue", "ended batches"],
)
def test_each_room_pauses_longer_after_each_failure(
    pause_after: Callable[[int], float | None], expected: list[float]
) -> None:
    assert [pause_after(failures) for failures in FAILURES] == expected


def test_a_pause_is_bounded_however_often_it_is_doubled() -> None:
    assert GrowingPause(1.0, 30.0).seconds(100_000) == 30.0


@pytest.mark.parametrize(
    ("asked", "believed"), [(None, 0), (0.0, 0), (7.5, 7.5), (3600, 3600), (3601, 3600), (sys.float_info.max, 3600)]
)
def test_a_retry_after_is_believed_for_an_hour_at_most(asked: float | None, believed: float) -> None:
    assert bounded_retry_after(asked) == believed
