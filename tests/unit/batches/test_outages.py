"""Which errors a task waits out, and for how long; operators/stints/test_deferral_state.py tests the pauses."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.outages import pause_seconds
from anthropic_batches_provider.errors import (
    ApiError,
    ApiStatusError,
    AuthenticationFailedError,
    RateLimitedError,
    SpendLimitReachedError,
    UnexpectedAnswerError,
)


def status_error(kind: type[ApiStatusError], status: int, retry_after_seconds: float | None = None) -> ApiStatusError:
    return kind("told", status=status, retry_after_seconds=retry_after_seconds)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(status_error(RateLimitedError, 429, 300), 300, id="a pause that was asked for"),
        pytest.param(status_error(RateLimitedError, 429), 60, id="429"),
        pytest.param(status_error(ApiStatusError, 529), 60, id="529"),
        pytest.param(status_error(ApiStatusError, 409), 60, id="409"),
        pytest.param(status_error(AuthenticationFailedError, 401), None, id="401"),
        pytest.param(status_error(SpendLimitReachedError, 402), None, id="402"),
        pytest.param(status_error(ApiStatusError, 400), None, id="400"),
        pytest.param(UnexpectedAnswerError("a proxy's page"), None, id="no answer of the API"),
    ],
)
def test_only_what_passes_by_itself_is_waited_out(error: ApiError, seconds: int | None) -> None:
    assert pause_seconds(error, failures=0, failing_seconds=0) == seconds
