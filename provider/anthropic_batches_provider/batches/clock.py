"""Time, injected: nothing in the engine reads a clock or sleeps but through this."""

from __future__ import annotations

import time
from typing import Protocol

import pendulum

# How far the service's own machines may be apart: a batch may bear an earlier moment than the answer that came before.
SERVICE_CLOCK_SKEW = pendulum.duration(seconds=60)


class Clock(Protocol):
    """What the engine asks of time."""

    def now(self) -> pendulum.DateTime:
        """Return the wall clock's moment, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> pendulum.DateTime:
        return pendulum.now("UTC")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ServiceClock:
    """The service's clock, as far as one answer's ``Date`` header tells it.

    Intents and batches are compared by the service's clock alone, so that a worker whose clock is wrong cannot
    overlook a batch.

    :param clock: the local clock.
    :param service_time: the service's ``Date`` at this moment, to a second.
    """

    def __init__(self, clock: Clock, service_time: pendulum.DateTime) -> None:
        self._clock = clock
        self._ahead = service_time - clock.now()

    def now(self) -> pendulum.DateTime:
        """Return the service's moment, in UTC."""
        return self._clock.now() + self._ahead
