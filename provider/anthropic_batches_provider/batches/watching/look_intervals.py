"""When the next check is due: of a batch that was seen running, and after a check that failed."""

from __future__ import annotations

from anthropic_batches_provider.batches.pauses import LOOK_FAILED

_SHORTEST_DELAY_SECONDS = 2.0
_SHARE_OF_AGE = 0.1


def delay_seconds(*, poll_interval: float, age_seconds: float, jitter: float = 0.5) -> float:
    """Return how long to wait before the next check of a batch.

    Young batches are checked early, since many end within minutes. The delay is a tenth of their age: at least 2 s and
    at most ``poll_interval``.

    :param poll_interval: the longest delay, in seconds.
    :param jitter: 0 to 1; shortens the delay by up to a fifth, so that processes do not fall into step.
    """
    delay = min(poll_interval, max(_SHORTEST_DELAY_SECONDS, age_seconds * _SHARE_OF_AGE))
    return delay * (1.0 - 0.2 * jitter)


def backoff_seconds(failures: int, jitter: float) -> float:
    """Return how long to pause after failures in a row: 2 s, doubling up to two minutes, shortened by up to a fifth.

    :param failures: 1 or more.
    :param jitter: 0 to 1.
    """
    return LOOK_FAILED.seconds(failures - 1) * (1.0 - 0.2 * jitter)
