"""Until when the entry of the prompt cache lives: pure, from facts of the ledger."""

from __future__ import annotations

import pendulum
import pytest

from anthropic_batches_provider.batches.ledger import (
    BatchRecord,
    EndRecord,
    IntentRecord,
    OutcomeRecord,
    ShardRecord,
    ShardState,
    Submitted,
)
from anthropic_batches_provider.batches.ledger.shard_state import Attempt
from anthropic_batches_provider.batches.prompt_cache import CacheTtl
from anthropic_batches_provider.batches.submission.cache_gate import lives_until

START = pendulum.datetime(2026, 11, 29, 12)
Times = tuple[int, int | None]


def at(minute: int) -> str:
    return START.add(minutes=minute).to_iso8601_string()


def state(number: int, created: int, ended: int | None, succeeded: int = 1) -> ShardState:
    """Return a shard whose batch was created and ended at these minutes."""
    batch = BatchRecord(batch_id=f"msgbatch_{number}", created_at=at(created), expires_at=at(created + 1440))
    intent = IntentRecord(shard=number, attempt=1, requests=1, nonce="n", at=at(created), settles_after_seconds=1)
    outcome = OutcomeRecord(shard=number, attempt=1, at=at(created), outcome=Submitted(batch=batch))
    counts = {"succeeded": succeeded, "errored": 1 - succeeded}
    end = None if ended is None else EndRecord(
        shard=number, batch_id=batch.batch_id, ended_at=at(ended), request_counts=counts
    )  # fmt: skip
    sent = ShardRecord(shard=number, requests=1, first_row=0, body_bytes=1, requests_file="", rows_file="")
    return ShardState(shard=sent, attempts=(Attempt(intent=intent, outcome=outcome),), end=end)


@pytest.mark.parametrize(
    ("ttl", "batches", "expected"),
    [
        ("1h", [], None),
        ("1h", [(0, None)], None),  # a batch that runs has written nothing for certain
        ("1h", [(0, 10)], 70),
        ("5m", [(0, 10)], 15),
        ("1h", [(0, 10), (60, None)], 120),  # it was created while the entry lived
        ("1h", [(0, 10), (70, None)], 70),  # it was created when the entry had died
        ("1h", [(0, 10), (70, 75)], 135),
        ("1h", [(0, 10), (60, None), (110, None)], 170),  # each reads what the one before has read
        ("1h", [(0, 10), (60, 200)], 260),
        ("5m", [(0, 10), (12, None), (16, None), (22, None)], 21),
    ],
)  # fmt: skip
def test_each_batch_that_finds_the_entry_renews_it(ttl: CacheTtl, batches: list[Times], expected: int | None) -> None:
    until = lives_until([state(number, *times) for number, times in enumerate(batches)], ttl)
    assert until == (None if expected is None else START.add(minutes=expected))


def test_a_batch_of_which_nothing_was_answered_writes_no_entry() -> None:
    assert lives_until([state(0, 0, 10, succeeded=0)], "1h") is None


@pytest.mark.parametrize(("ended", "expected"), [(None, 90), (45, 70)])
def test_a_batch_renews_the_entry_until_it_is_known_that_nothing_of_it_was_answered(
    ended: int | None, expected: int
) -> None:
    states = [state(0, 0, 10), state(1, 30, ended, succeeded=0)]
    assert lives_until(states, "1h") == START.add(minutes=expected)
