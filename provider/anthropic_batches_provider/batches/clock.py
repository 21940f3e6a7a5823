"""The injected clock: the engine reads the time and sleeps only through it.

A machine has two clocks, and both can mislead: the wall clock can be set, and the steady one can stand still while a
virtual machine is paused. Where money depends on how long ago something was, the clock that speaks against sending
decides (:class:`Stopwatch`).
"""

from __future__ import annotations

import time
from typing import Protocol

import pendulum

# How far the service's own clocks may differ: a batch may carry an earlier time than an answer sent before it.
SERVICE_CLOCK_SKEW = pendulum.duration(seconds=60)


# Linux's goes on in suspend; elsewhere the monotonic clock is the best there is.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """The operations on time that the engine uses."""

    def now(self) -> pendulum.DateTime:
        """Return the current time, in UTC; somebody may set this clock."""

    def steady(self) -> float:
        """Return the seconds since some moment; nobody can set this clock, and it goes on while the machine sleeps."""

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> pendulum.DateTime:
        return pendulum.now("UTC")

    def steady(self) -> float:
        return time.clock_gettime(_STEADY)

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
        self._service_time = service_time
        self._asked_at = clock.steady()

    def now(self) -> pendulum.DateTime:
        """Return the service's time, in UTC."""
        return self._service_time.add(seconds=self._clock.steady() - self._asked_at)


class Stopwatch:
    """Measures how long ago it was made, by both clocks of the machine."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._steady = clock.now(), clock.steady()

    def at_least(self) -> pendulum.Duration:
        """Return the shorter of the two elapsed times."""
        return pendulum.duration(seconds=max(min(self._elapsed()), 0.0))

    def at_most(self) -> pendulum.Duration:
        """Return the longer of the two elapsed times."""
        return pendulum.duration(seconds=max(*self._elapsed(), 0.0))

    def was_set_back(self) -> bool:
        """Return whether the wall clock was set to a time before the start."""
        return self._elapsed()[0] < 0

    def _elapsed(self) -> tuple[float, float]:
        return (self._clock.now() - self._wall).total_seconds(), self._clock.steady() - self._steady
