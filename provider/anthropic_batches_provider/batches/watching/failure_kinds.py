"""Classifies failed checks: whether one says something about the batch, or about the whole connection."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

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

FailureKind = Literal[
    "connection",  # the connection could not be read, or no client could be made from it
    "refused",  # 401, 403
    "not_found",  # 404 of a batch
    "rate_limited",  # 429
    "overloaded",  # 529
    "server",  # other 5xx
    "network",  # no complete answer in time
    "answer",  # an answer that the API does not promise, such as a proxy's page
    "other",
]

# These say nothing about one batch: the whole connection slows down. A 403 may be about one batch; a 401 never is.
_OF_THE_CONNECTION: frozenset[FailureKind] = frozenset(
    ("connection", "refused", "rate_limited", "overloaded", "server", "network", "answer")
)

_DENIALS: frozenset[FailureKind] = frozenset(("connection", "refused", "not_found"))
_NO_API: frozenset[FailureKind] = frozenset(("network", "server", "answer"))  # the host may be the wrong one
_FRESH_SECONDS = 15.0  # a connection is not read again sooner: it cannot have been fixed yet
_OLD_SECONDS = 120.0
_MANY_FAILURES = 5


def classify_failure(error: Exception) -> FailureKind:
    """Return the kind of failure that a check has raised."""
    if isinstance(error, BatchNotFoundError):
        return "not_found"
    if isinstance(error, AuthenticationFailedError):
        return "refused"
    if isinstance(error, RateLimitedError | SpendLimitReachedError):
        return "rate_limited"
    if isinstance(error, ApiStatusError):
        return _classify_status(error.status)
    if isinstance(error, ApiConnectionError | TimeoutError):
        return "network"
    if isinstance(error, UnexpectedAnswerError):
        return "answer"
    return "connection" if isinstance(error, ConfigurationError) else "other"


def is_of_the_connection(kind: FailureKind) -> bool:
    """Return whether other checks would fail in the same way."""
    return kind in _OF_THE_CONNECTION


def may_be_the_connections(kinds: Collection[FailureKind], *, in_a_row: int, age_seconds: float) -> bool:
    """Return whether to read the connection again: its key may have been rotated, or its host or proxy fixed.

    :param kinds: the kinds of the latest failures.
    :param in_a_row: failures of the connection in a row, including these.
    :param age_seconds: time since the connection was last read; below 0 if the clock was set back.
    """
    if 0 <= age_seconds < _FRESH_SECONDS:
        return False
    if not _DENIALS.isdisjoint(kinds):
        return True
    is_old = not 0 <= age_seconds < _OLD_SECONDS
    return is_old and in_a_row >= _MANY_FAILURES and not _NO_API.isdisjoint(kinds)


def _classify_status(status: int) -> FailureKind:
    if status == 529:
        return "overloaded"
    if status >= 500:
        return "server"
    return "network" if status == 408 else "other"
