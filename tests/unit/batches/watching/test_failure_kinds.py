"""The kinds of failed polls."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.watching.failure_kinds import (
    FailureKind,
    classify_failure,
    is_of_the_connection,
    may_be_the_connections,
)
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
    assert classify_failure(error) == kind
    assert is_of_the_connection(kind) is of_the_connection


@pytest.mark.parametrize(
    ("kind", "in_a_row", "age_seconds", "is_read_again"),
    [
        ("refused", 1, 14, False),
        ("refused", 1, 16, True),
        ("not_found", 0, 16, True),
        ("connection", 1, 16, True),
        ("network", 4, 1000, False),
        ("network", 5, 119, False),
        ("network", 5, 121, True),
        ("server", 5, 121, True),
        ("answer", 5, 121, True),
        ("network", 5, -10, True),
        ("rate_limited", 50, 1000, False),
        ("overloaded", 50, 1000, False),
        ("other", 50, 1000, False),
    ],
)
def test_a_connection_is_read_again_where_it_may_have_been_mended(
    kind: FailureKind, in_a_row: int, age_seconds: float, is_read_again: bool
) -> None:
    assert may_be_the_connections(["other", kind], in_a_row=in_a_row, age_seconds=age_seconds) is is_read_again
