"""The bounds on a connection's calls."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.watching.look_intervals import backoff_seconds
from anthropic_batches_provider.batches.watching.pace import (
    BURST,
    CALLS_PER_MINUTE,
    CallBudget,
)


def test_a_full_minute_never_holds_more_calls_than_a_quarter_of_the_smallest_account_and_a_burst() -> None:
    budget, now, made = CallBudget(), 1000.0, 0
    while now < 1060:
        budget.take(budget.available(now))
        made += 1
        now = budget.next_call_at(now)
    assert made <= CALLS_PER_MINUTE + BURST <= 300


def test_the_moment_of_the_next_call_is_one_at_which_it_may_be_made() -> None:
    budget = CallBudget()
    budget.take(budget.available(1000.0))
    moment = budget.next_call_at(1000.0)
    assert moment > 1000.0
    assert budget.available(moment) == 1


def test_a_rest_fills_the_bucket_to_its_brim_and_no_further() -> None:
    budget = CallBudget()
    budget.take(budget.available(1000.0))
    assert budget.available(100_000.0) == BURST


@pytest.mark.parametrize(("failures", "expected"), [(1, 2), (2, 4), (6, 64), (7, 120), (10_000, 120)])
def test_a_pause_doubles_up_to_two_minutes_and_jitter_shortens_it(failures: int, expected: float) -> None:
    assert backoff_seconds(failures, 0.0) == expected
    assert backoff_seconds(failures, 1.0) == pytest.approx(expected * 0.8)
