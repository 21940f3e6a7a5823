"""How long to pause after consecutive failures of any kind, and for how long to obey a ``Retry-After``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from anthropic_batches_provider.errors import BatchNotFoundError

T = TypeVar("T")

# Of the API's limits only the spend limit lasts longer. It is no pause: a header must not suspend a wait for days.
LONGEST_RETRY_AFTER_SECONDS = 3600.0

_MOST_DOUBLINGS = 64  # keeps the power within a float; by then every pause is at its longest


@dataclass(frozen=True, slots=True)
class GrowingPause:
    """A pause that doubles with each consecutive failure.

    :param first_seconds: the pause after the first failure.
    :param longest_seconds: the upper bound, however many failures follow.
    """

    first_seconds: float
    longest_seconds: float

    def seconds(self, doublings: int) -> float:
        """Return how many seconds to pause.

        :param doublings: 0 for the first pause.
        """
        return min(self.longest_seconds, self.first_seconds * 2.0 ** min(doublings, _MOST_DOUBLINGS))


CALL_FAILED = GrowingPause(0.5, 8.0)  # the client repeats the call while its caller waits
LOOK_FAILED = GrowingPause(2.0, 120.0)  # to check a batch, or all of a connection; the watcher checks again
LIST_FAILED = GrowingPause(15.0, 600.0)  # one glitch costs little; batches are retrieved meanwhile
QUEUE_FULL = GrowingPause(60.0, 600.0)  # the service accepts no more requests for now
SERVICE_AWAY = GrowingPause(60.0, 600.0)  # a task that is due to resume could not ask the service about its job


UNTIL_KNOWN_SECONDS = (2.0, 10.0, 30.0)  # not every part of the service knows a batch, or its end, at once


def once_known(call: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """Make a call about a batch; while the service does not know the batch, repeat it after 2, 10 and 30 seconds.

    :raises BatchNotFoundError: the service does not know it the fourth time either.
    """
    for seconds in UNTIL_KNOWN_SECONDS:
        try:
            return call()
        except BatchNotFoundError:
            sleep(seconds)
    return call()


def bounded_retry_after(seconds: float | None) -> float:
    """Return for how many seconds to obey a ``Retry-After``: an hour at most, and 0 if there is none."""
    return min(seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
