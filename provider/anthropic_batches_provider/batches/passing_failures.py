"""Which failures of a call pass by themselves, so that the same call may succeed a little later."""

from __future__ import annotations

from anthropic_batches_provider.errors import ApiConnectionError, ApiStatusError, SpendLimitReachedError

# A request that took too long, a conflict with another that is under way, too many of them: as the SDK repeats them.
_PASSING_STATUSES = frozenset((408, 409, 429))


def passes_by_itself(error: Exception) -> bool:
    """Return whether waiting alone may cure it: the network, or a service that is busy or broken for now.

    A spend limit does not pass: somebody has to raise it. Nor does an answer that is not the API's: a proxy that gives
    one is a matter of configuration.
    """
    if isinstance(error, SpendLimitReachedError):
        return False
    if isinstance(error, ApiStatusError):
        return error.status in _PASSING_STATUSES or error.status >= 500
    return isinstance(error, ApiConnectionError)
