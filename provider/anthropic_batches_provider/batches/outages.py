"""How long a task that is due to resume waits while the service does not answer, and when it gives up.

The pause doubles with each consecutive failure. After a day the task fails with the error.
"""

from __future__ import annotations

from anthropic_batches_provider.batches.passing_failures import passes_by_itself
from anthropic_batches_provider.batches.pauses import SERVICE_AWAY
from anthropic_batches_provider.errors import ApiError

_LONGEST_OUTAGE_SECONDS = 86_400.0


def pause_seconds(error: ApiError, *, failures: int, failing_seconds: float) -> float | None:
    """Return how many seconds to wait before asking the service again; None to give up.

    :param failures: the number of consecutive failures before this one.
    :param failing_seconds: how many seconds ago the first of these was.
    """
    if not passes_by_itself(error) or failing_seconds > _LONGEST_OUTAGE_SECONDS:
        return None
    asked = getattr(error, "retry_after_seconds", None) or 0.0
    return max(SERVICE_AWAY.seconds(failures), min(asked, SERVICE_AWAY.longest_seconds))
