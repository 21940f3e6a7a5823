"""How long to pause after failures in a row, whatever has failed; and for how long a ``Retry-After`` is believed."""

from __future__ import annotations

from dataclasses import dataclass

# No limit of the API lasts longer but the spend limit, which is no pause: a header must not park a wait for days.
LONGEST_RETRY_AFTER_SECONDS = 3600.0

_MOST_DOUBLINGS = 64  # keeps the power within a float; every pause has reached its longest by then


@dataclass(frozen=True, slots=True)
class GrowingPause:
    """A pause that doubles with each failure in a row.

    :param first_seconds: after the first failure.
    :param longest_seconds: however many follow.
    """

    first_seconds: float
    longest_seconds: float

    def seconds(self, doublings: int) -> float:
        """Return how long to pause.

        :param doublings: 0 for the first pause.
        """
        return min(self.longest_seconds, self.first_seconds * 2.0 ** min(doublings, _MOST_DOUBLINGS))


CALL_FAILED = GrowingPause(0.5, 8.0)  # the client repeats it while its caller waits
LOOK_FAILED = GrowingPause(2.0, 120.0)  # at a batch, or of a whole connection; the watcher looks again
LIST_FAILED = GrowingPause(15.0, 600.0)  # one glitch costs little; batches are retrieved meanwhile
QUEUE_FULL = GrowingPause(60.0, 600.0)  # the service takes no more requests for now
SERVICE_AWAY = GrowingPause(60.0, 600.0)  # a task that was to go on could not ask it how its job stands


def bounded_retry_after(seconds: float | None) -> float:
    """Return for how many seconds to obey a ``Retry-After``: an hour at most, and 0 where there is none."""
    return min(seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
