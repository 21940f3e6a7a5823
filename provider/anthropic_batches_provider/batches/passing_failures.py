"""Which failures of a call are temporary, so that the same call may succeed a little later."""

from __future__ import annotations

from anthropic_batches_provider.errors import ApiConnectionError, ApiStatusError, SpendLimitReachedError

PASSING_IN_USER_CODE = (ConnectionError, TimeoutError, MemoryError)
"""Errors of a builder or a model that may be over at the next try, and say nothing of the row or the answer."""

# A request that took too long, a conflict with one in progress, too many requests: the same that the SDK repeats.
_PASSING_STATUSES = frozenset((408, 409, 429))


def passes_by_itself(error: Exception) -> bool:
    """Return whether waiting alone may fix the failure: of the network, or of a service that is busy or broken.

    A spend limit is not temporary: somebody must raise it. Nor is an answer that does not come from the API: the proxy
    that gives it must be configured otherwise.
    """
    if isinstance(error, SpendLimitReachedError):
        return False
    if isinstance(error, ApiStatusError):
        return error.status in _PASSING_STATUSES or error.status >= 500
    return isinstance(error, ApiConnectionError)
