"""The injected clock: the engine reads the time and sleeps only through it."""

from __future__ import annotations

import time
from typing import Protocol

import pendulum

# How far the service's own clocks may differ: a batch may carry an earlier time than an answer sent before it.
SERVICE_CLOCK_SKEW = pendulum.duration(seconds=60)


class Clock(Protocol):
    """The operations on time that the engine uses."""

    def now(self) -> pendulum.DateTime:
        """Return the current time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> pendulum.DateTime:
        return pendulum.now("UTC")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ServiceClock:
    """The service's clock, derived from the ``Date`` header of one answer.

    Intents and batches are compared only by the service's clock. A worker with a wrong clock therefore cannot overlook
    a batch.

    :param clock: the local clock.
    :param service_time: the service's ``Date`` at this moment, to the second.
    """

    def __init__(self, clock: Clock, service_time: pendulum.DateTime) -> None:
        self._clock = clock
        self._ahead = service_time - clock.now()

    def now(self) -> pendulum.DateTime:
        """Return the service's time, in UTC."""
        return self._clock.now() + self._ahead
