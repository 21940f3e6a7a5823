"""The failures of a call that a task may wait out."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.passing_failures import passes_by_itself
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    BatchNotFoundError,
    ConfigurationError,
    RateLimitedError,
    SpendLimitReachedError,
    UnexpectedAnswerError,
)


@pytest.mark.parametrize(
    "error",
    [
        ApiConnectionError("", connected=True),
        ApiConnectionError("", connected=False),
        RateLimitedError("", status=429),
        *(ApiStatusError("", status=status) for status in (408, 409, 500, 502, 503, 504, 529)),
    ],
)
def test_the_network_and_a_busy_or_broken_service_pass(error: Exception) -> None:
    assert passes_by_itself(error)


@pytest.mark.parametrize(
    "error",
    [
        SpendLimitReachedError("", status=402),
        SpendLimitReachedError("", status=429),
        AuthenticationFailedError("", status=401),
        BatchNotFoundError("", status=404),
        UnexpectedAnswerError(""),
        ConfigurationError(""),
        *(ApiStatusError("", status=status) for status in (307, 400, 413, 422)),
        KeyError("a bug"),
    ],
)
def test_nothing_else_does(error: Exception) -> None:
    assert not passes_by_itself(error)
