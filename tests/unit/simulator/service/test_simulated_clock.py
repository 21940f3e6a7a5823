from datetime import UTC, datetime
from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.simulated_clock import Clock, http_date, rfc3339


def test_a_manual_clock_moves_only_when_it_is_told_to() -> None:
    clock = Clock(start=1000, speed=0)
    assert clock.now() == clock.now() == 1000
    assert clock.advance(60) == 1060
    assert clock.now() == 1060


def test_a_running_clock_goes_on_and_can_be_advanced() -> None:
    clock = Clock(start=1000, speed=1000)
    before = clock.now()
    assert clock.advance(3600) >= before + 3600


def test_a_clock_starts_where_it_is_told_to() -> None:
    assert Clock(start=datetime(2025, 1, 12, tzinfo=UTC), speed=0).now() == 1736640000


@pytest.mark.parametrize("wrong", [lambda: Clock(speed=-1), lambda: Clock().advance(-1)])
def test_time_does_not_run_backwards(wrong: Any) -> None:
    with pytest.raises(ValueError, match="backwards"):
        wrong()


def test_moments_are_written_as_the_api_writes_them() -> None:
    assert rfc3339(1736661554.154311) == "2025-01-12T05:59:14.154311Z"
    assert http_date(1736661554.9) == "Sun, 12 Jan 2025 05:59:14 GMT"
