"""What a task remembers over a deferral, and for how long it waits for a service that fails."""

from __future__ import annotations

import pendulum
import pytest

from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    AuthenticationFailedError,
    RateLimitedError,
    SpendLimitReachedError,
    UnexpectedAnswerError,
)
from anthropic_batches_provider.operators.stints.deferral_state import DeferralState

NOW = pendulum.datetime(2026, 11, 21, 6)
DEFERRAL = DeferralState(job="file:///j", until=NOW.timestamp())


@pytest.mark.parametrize(
    ("outcome", "now", "ahead_seconds"),
    [("deadline", NOW, 0.0), ("deadline", NOW.subtract(minutes=5), 300.0), ("ended", NOW.subtract(minutes=5), 0.0)],
)
def test_a_triggerer_whose_clock_is_ahead_is_told_later_moments(
    outcome: str, now: pendulum.DateTime, ahead_seconds: float
) -> None:
    assert DEFERRAL.after({"outcome": outcome}, now).ahead_seconds == ahead_seconds


OUTAGE = ApiConnectionError("no answer", connected=True)


def status_error(kind: type[ApiStatusError], status: int, retry_after_seconds: float | None = None) -> ApiStatusError:
    return kind("told", status=status, retry_after_seconds=retry_after_seconds)


def test_waits_for_a_service_that_fails_grow_to_ten_minutes_and_end_after_a_day() -> None:
    now, waits, state = NOW, [], DEFERRAL
    while (again := state.after_failure(OUTAGE, now)) is not None:
        waits.append(round(again.until - now.timestamp()))
        state, now = again, pendulum.from_timestamp(again.until)
    assert waits[:6] == [60, 120, 240, 480, 600, 600]
    assert NOW.add(hours=24) < now < NOW.add(hours=24, minutes=11)
    assert state.job == DEFERRAL.job


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(status_error(RateLimitedError, 429, 300), 300, id="a pause that was asked for"),
        pytest.param(status_error(RateLimitedError, 429), 60, id="429"),
        pytest.param(status_error(ApiStatusError, 529), 60, id="529"),
        pytest.param(status_error(AuthenticationFailedError, 401), None, id="401"),
        pytest.param(status_error(SpendLimitReachedError, 402), None, id="402"),
        pytest.param(status_error(ApiStatusError, 400), None, id="400"),
        pytest.param(UnexpectedAnswerError("a proxy's page"), None, id="no answer of the API"),
    ],
)
def test_only_what_passes_by_itself_is_waited_out(error: ApiError, seconds: int | None) -> None:
    again = DEFERRAL.after_failure(error, NOW)
    assert (None if again is None else round(again.until - NOW.timestamp())) == seconds
