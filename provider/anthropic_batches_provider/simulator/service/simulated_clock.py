"""The simulator's time: it runs at the pace of the wall clock or another, or only when advanced, never backwards."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate


class Clock:
    """A clock that can be moved forward.

    :param start: its first moment, as seconds since the epoch or an aware datetime; default: now.
    :param speed: simulated seconds per real second; 0 is a manual clock, which only :meth:`advance` moves.
    """

    def __init__(self, *, start: float | datetime | None = None, speed: float = 1.0) -> None:
        if speed < 0:
            raise ValueError(f"speed is {speed}; a clock cannot run backwards")
        if isinstance(start, datetime):
            start = start.timestamp()
        self.start = time.time() if start is None else start
        self._began = time.monotonic()
        self._advanced = 0.0
        self.speed = speed

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self.start + self._advanced + (time.monotonic() - self._began) * self.speed

    def advance(self, seconds: float) -> float:
        """Move the clock forward by ``seconds`` of simulated time and return the new time."""
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s; time does not run backwards")
        self._advanced += seconds
        return self.now()


def rfc3339(moment: float) -> str:
    """Write a moment as the API does: in UTC, with microseconds and ``Z``."""
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rfc3339_or_null(moment: float | None) -> str | None:
    """Write a moment as :func:`rfc3339` does; None, for a moment that has not come, is null in the API's JSON."""
    return None if moment is None else rfc3339(moment)


def http_date(moment: float) -> str:
    """Write a moment as the value of a ``Date`` header."""
    return formatdate(moment, usegmt=True)
