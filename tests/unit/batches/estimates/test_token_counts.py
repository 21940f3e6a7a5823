from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.estimates.token_counts import LONGEST_PAUSES_SECONDS, Refused, TokenCounts
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    AuthenticationFailedError,
    RateLimitedError,
)
from tests.unit.batches.estimates.estimate_world import FreeService, row
from tests.worlds.ended_jobs import StillClock

AWAY = ApiConnectionError("nobody answers", connected=False)


def limited(seconds: float | None) -> ApiError:
    return RateLimitedError(
        "429", status=429, error_type="rate_limit_error", request_id="r", retry_after_seconds=seconds
    )


def test_each_content_is_counted_once() -> None:
    service = FreeService()
    counts = TokenCounts(service, StillClock())
    assert [counts.of(row(number, 5).params) for number in (0, 1, 0, 0)] == [5, 5, 5, 5]
    assert len(service.counted) == counts.calls == 2


def test_a_refusal_of_the_api_is_a_finding_and_remembered() -> None:
    service = FreeService(refused="word")
    counts = TokenCounts(service, StillClock())
    found = counts.of(row(0, 5).params)
    assert isinstance(found, Refused)
    assert "messages: wrong" in found.reason
    assert counts.of(row(0, 5).params) == found
    assert counts.of(row(0, 1).params) == 1
    assert counts.calls == 2


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailedError("401", status=401, error_type="authentication_error", request_id="r"),
        ApiStatusError("a page", status=404),
        ApiStatusError("a page", status=400),
    ],
)
def test_what_says_nothing_of_the_row_is_raised(error: ApiError) -> None:
    clock = StillClock()
    with pytest.raises(type(error)):
        TokenCounts(FreeService(failures=[error]), clock).of(row(0).params)
    assert clock.slept == []


def test_it_waits_as_long_as_it_is_asked_to() -> None:
    clock = StillClock()
    counts = TokenCounts(FreeService(failures=[AWAY, limited(30), limited(None)]), clock)
    assert counts.of(row(0).params) == 1
    assert clock.slept == [1, 30, 4]
    assert counts.calls == 4


def test_after_ten_minutes_it_gives_up() -> None:
    clock = StillClock()
    with pytest.raises(ApiConnectionError, match="nobody answers"):
        TokenCounts(FreeService(failures=[AWAY] * 100), clock).of(row(0).params)
    assert LONGEST_PAUSES_SECONDS - 60 < sum(clock.slept) <= LONGEST_PAUSES_SECONDS


def test_many_calls_wait_out_a_rate_limit_for_longer_in_all() -> None:
    clock, service = StillClock(), FreeService()
    counts = TokenCounts(service, clock)
    for number in range(20):
        service.failures = [limited(60)]
        assert not isinstance(counts.of(row(number).params), Refused)
    assert sum(clock.slept) == 20 * 60 > LONGEST_PAUSES_SECONDS


def test_it_does_not_wait_for_longer_than_that_at_once() -> None:
    clock = StillClock()
    with pytest.raises(RateLimitedError):
        TokenCounts(FreeService(failures=[limited(3_000)]), clock).of(row(0).params)
    assert clock.slept == []
