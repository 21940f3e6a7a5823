"""How long a task that was to go on waits while the service cannot be asked, and when it gives up.

Pauses double from one failure in a row to the next. After a day the error is the task's.
"""

from __future__ import annotations

from anthropic_batches_provider.errors import ApiConnectionError, ApiError, ApiStatusError, RateLimitedError

_SHORTEST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 600.0
_LONGEST_OUTAGE_SECONDS = 86_400.0
_MOST_DOUBLINGS = 10


def pause_seconds(error: ApiError, *, failures: int, failing_seconds: float) -> float | None:
    """Return how long to wait before the service is asked again; None to give up.

    :param failures: how many times in a row it could not be asked before this time.
    :param failing_seconds: how long ago the first of these was.
    """
    if not may_pass(error) or failing_seconds > _LONGEST_OUTAGE_SECONDS:
        return None
    asked = getattr(error, "retry_after_seconds", None) or 0.0
    pause = _SHORTEST_PAUSE_SECONDS * 2.0 ** min(failures, _MOST_DOUBLINGS)
    return min(max(pause, asked), _LONGEST_PAUSE_SECONDS)


def may_pass(error: ApiError) -> bool:
    """Return whether an error is one of the network or of a service that is busy or broken for now."""
    if isinstance(error, ApiStatusError):
        return isinstance(error, RateLimitedError) or error.status == 408 or error.status >= 500
    return isinstance(error, ApiConnectionError)
