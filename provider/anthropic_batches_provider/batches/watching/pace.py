"""How fast one connection may poll: a bound on its calls, and a pause that grows while they fail."""

from __future__ import annotations

from anthropic_batches_provider.batches.pauses import bounded_retry_after
from anthropic_batches_provider.batches.watching.look_intervals import backoff_seconds

# A Start account may make 1,000 calls a minute on all batch endpoints. Submissions, collections and every process of
# the deployment share them. https://platform.claude.com/docs/en/api/rate-limits#message-batches-api (seen 2026-10)
CALLS_PER_MINUTE = 240
BURST = 16


class CallBudget:
    """A token bucket of calls that fills at an even rate; moments are seconds since the epoch.

    :param per_minute: the rate of calls in the long run.
    :param burst: the maximum of calls at once, after a pause.
    """

    def __init__(self, per_minute: float = CALLS_PER_MINUTE, burst: int = BURST) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._calls = float(burst)
        self._counted_at = 0.0

    def available(self, now: float) -> int:
        """Return how many calls may be made now."""
        self._calls = min(self._burst, self._calls + max(now - self._counted_at, 0.0) * self._per_second)
        self._counted_at = now
        return int(self._calls + 1e-9)  # 59.999… s of filling lack a rounding error, not a call

    def take(self, calls: int) -> None:
        """Use up calls."""
        self._calls -= calls

    def next_call_at(self, now: float) -> float:
        """Return the moment from which a call may be made: ``now``, or later."""
        return now if self.available(now) else now + (1.0 - self._calls) / self._per_second


class CallGate:
    """A gate for all calls of a connection: it closes for a while after each failure of the connection."""

    def __init__(self) -> None:
        self.opens_at = 0.0
        self.failures = 0

    def failed(self, now: float, *, retry_after: float, jitter: float) -> None:
        """Close the gate: longer with each failure in a row, and at least as long as the service asks."""
        self.failures += 1
        self.hold(now, max(backoff_seconds(self.failures, jitter), retry_after))

    def hold(self, now: float, seconds: float) -> None:
        """Close the gate for as long as the service asks, at most an hour."""
        self.opens_at = max(self.opens_at, now + bounded_retry_after(seconds))

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = 0
