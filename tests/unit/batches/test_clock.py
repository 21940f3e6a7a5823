from __future__ import annotations

import time

import pendulum
import pytest

from anthropic_batches_provider.batches.clock import ServiceClock, Stopwatch, SystemClock

NOON = pendulum.datetime(2026, 11, 21, 12)


class TwoClocks:
    """A machine whose clocks a test moves."""

    def __init__(self) -> None:
        self.wall = NOON
        self.seconds = 1000.0

    def now(self) -> pendulum.DateTime:
        return self.wall

    def steady(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")


@pytest.mark.parametrize(
    ("wall", "steady", "at_least", "at_most", "set_back"),
    [
        (30, 30, 30, 30, False),
        (1800, 2, 2, 1800, False),  # the wall clock was set forward
        (-1800, 2, 0, 2, True),  # it was set back
        (3600, 0, 0, 3600, False),  # the machine was paused, and its wall clock corrected afterwards
    ],
)
def test_of_two_elapsed_times_both_are_told(
    wall: float, steady: float, at_least: float, at_most: float, set_back: bool
) -> None:
    clock = TwoClocks()
    stopwatch = Stopwatch(clock)
    clock.wall, clock.seconds = clock.wall.add(seconds=wall), clock.seconds + steady
    told = stopwatch.at_least().total_seconds(), stopwatch.at_most().total_seconds(), stopwatch.was_set_back()
    assert told == (at_least, at_most, set_back)


def test_the_services_time_goes_on_by_the_clock_that_nobody_sets() -> None:
    clock = TwoClocks()
    service = ServiceClock(clock, NOON.add(hours=7))
    clock.wall, clock.seconds = clock.wall.add(hours=5), clock.seconds + 60
    assert service.now() == NOON.add(hours=7, minutes=1)


def test_this_machines_steady_clock_goes_on_while_it_sleeps() -> None:
    clock = SystemClock()
    before = clock.steady()
    clock.sleep(0.01)
    assert clock.steady() >= before + 0.01
    boot = time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    assert clock.steady() == pytest.approx(boot, abs=5)
