"""What a failed look is taken for."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.watching.failures import FailureKind, is_of_the_connection, kind_of
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
    ("error", "kind", "of_the_connection"),
    [
        (AuthenticationFailedError("", status=401), "refused", True),
        (AuthenticationFailedError("", status=403), "refused", True),
        (BatchNotFoundError("", status=404), "not_found", False),
        (RateLimitedError("", status=429), "rate_limited", True),
        (SpendLimitReachedError("", status=402), "rate_limited", True),
        (ApiStatusError("", status=529), "overloaded", True),
        (ApiStatusError("", status=500), "server", True),
        (ApiStatusError("", status=408), "network", True),
        (ApiStatusError("", status=400), "other", False),
        (ApiConnectionError("", connected=True), "network", True),
        (TimeoutError(), "network", True),
        (UnexpectedAnswerError(""), "answer", True),
        (ConfigurationError(""), "connection", True),
        (KeyError("a bug"), "other", False),
    ],
)
def test_a_failure_is_sorted_by_what_it_says(error: Exception, kind: FailureKind, of_the_connection: bool) -> None:
    assert kind_of(error) == kind
    assert is_of_the_connection(kind) is of_the_connection
