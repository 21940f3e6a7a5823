"""How long a task that was to go on waits while the service cannot be asked, and when it gives up.

Pauses double from one failure in a row to the next. After a day the error is the task's.
"""

from __future__ import annotations

from anthropic_batches_provider.batches.passing_failures import passes_by_itself
from anthropic_batches_provider.batches.pauses import SERVICE_AWAY
from anthropic_batches_provider.errors import ApiError

_LONGEST_OUTAGE_SECONDS = 86_400.0


def pause_seconds(error: ApiError, *, failures: int, failing_seconds: float) -> float | None:
    """Return how long to wait before the service is asked again; None to give up.

    :param failures: how many times in a row it could not be asked before this time.
    :param failing_seconds: how long ago the first of these was.
    """
    if not passes_by_itself(error) or failing_seconds > _LONGEST_OUTAGE_SECONDS:
        return None
    asked = getattr(error, "retry_after_seconds", None) or 0.0
    return max(SERVICE_AWAY.seconds(failures), min(asked, SERVICE_AWAY.longest_seconds))
