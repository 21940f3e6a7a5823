"""The room for requests in flight, and how a refusal changes it."""

from __future__ import annotations

import pendulum
import pytest

from anthropic_batches_provider.batches.ledger import (
    Attempt,
    BatchRecord,
    EndRecord,
    IntentRecord,
    OutcomeRecord,
    Refused,
    ShardRecord,
    ShardState,
    Submitted,
)
from anthropic_batches_provider.batches.ledger.records import Outcome
from anthropic_batches_provider.batches.submission.window import Window, asked_to_wait_until, lowered_window

START = pendulum.datetime(2026, 11, 21, 6)
MOST = 100


def minute(number: float) -> pendulum.DateTime:
    return START.add(seconds=round(number * 60))


def shard(number: int, *outcomes: tuple[float, Outcome], ended: float | None = None) -> ShardState:
    """Return a shard with the outcome of each of its intents, with its minute, and the minute when its batch ended."""
    record = ShardRecord(
        shard=number, requests=4, first_row=0, body_bytes=1, requests_file="requests", rows_file="rows"
    )
    attempts = tuple(
        Attempt(
            intent=IntentRecord(
                shard=number, attempt=count, requests=4, nonce="n", at=minute(at).isoformat(), settles_after_seconds=1
            ),
            outcome=OutcomeRecord(shard=number, attempt=count, at=minute(at).isoformat(), outcome=outcome),
        )
        for count, (at, outcome) in enumerate(outcomes, start=1)
    )
    at = None if ended is None else minute(ended).isoformat()
    end = None if at is None else EndRecord(shard=number, batch_id="b", ended_at=at, request_counts={})
    return ShardState(shard=record, attempts=attempts, end=end)


def refused(in_flight: int | None, *, retry_after: float | None = None) -> Refused:
    return Refused(status=429, reason="full", in_flight=in_flight, retry_after_seconds=retry_after)


SENT = Submitted(batch=BatchRecord(batch_id="b", created_at=START.isoformat(), expires_at=START.isoformat()))


@pytest.mark.parametrize(
    ("most", "in_flight", "requests", "admitted"),
    [
        (10, 0, 10, True),
        (10, 6, 4, True),
        (10, 7, 4, False),
        (10, 10, 1, False),
        (3, 0, 4, True),  # larger than the window: sent alone
        (3, 1, 4, False),
        (10, 0, 0, True),
    ],
)
def test_a_shard_is_sent_where_there_is_room_or_nothing_else(
    most: int, in_flight: int, requests: int, admitted: bool
) -> None:
    assert Window(most=most, in_flight=in_flight).admits(requests) is admitted


@pytest.mark.parametrize(
    ("states", "now", "most"),
    [
        ([shard(0, (0, SENT))], 1, MOST),
        ([shard(0, (0, refused(8)))], 1, 8),
        ([shard(0, (0, refused(8)))], 15, 8),
        ([shard(0, (0, refused(8)))], 15.1, MOST),
        ([shard(0, (0, refused(8)), (10, refused(12)))], 16, 12),
        ([shard(0, (10, refused(12))), shard(1, (0, refused(8)))], 16, 12),
        ([shard(0, (0, refused(500)))], 1, MOST),
        ([shard(0, (0, refused(0)))], 1, MOST),  # nothing of ours was in flight: other requests fill the queue
        ([shard(0, (0, refused(None)))], 1, MOST),  # another kind of refusal, which says nothing about the queue
        ([shard(0, (5, refused(8))), shard(1, (0, SENT), ended=6)], 7, MOST),
        ([shard(0, (5, refused(8))), shard(1, (0, SENT), ended=4)], 7, 8),
    ],
)
def test_a_refusal_lowers_the_window_for_a_quarter_of_an_hour_or_until_a_batch_has_ended(
    states: list[ShardState], now: float, most: int
) -> None:
    assert lowered_window(states, MOST, now=minute(now)) == most


@pytest.mark.parametrize(
    ("states", "until"),
    [
        ([], None),
        ([shard(0, (0, SENT))], None),
        ([shard(0, (0, refused(8)))], None),
        ([shard(0, (0, refused(8, retry_after=120)))], 2),
        ([shard(0, (0, refused(8, retry_after=1e300)))], 60),
        ([shard(0, (0, refused(8, retry_after=600)), (1, refused(8, retry_after=60)))], 10),
        ([shard(0, (0, refused(None, retry_after=60))), shard(1, (5, refused(4, retry_after=60)))], 6),
    ],
)
def test_the_service_is_sent_nothing_before_it_said(states: list[ShardState], until: float | None) -> None:
    assert asked_to_wait_until(states) == (None if until is None else minute(until))
