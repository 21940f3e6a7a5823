"""The values that a task remembers over a deferral, and how long it waits for a service that fails."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.errors import (
    ApiConnectionError,
)
from anthropic_batches_provider.operators.stints.deferral_state import DeferralState

NOW = pendulum.datetime(2026, 11, 21, 6)
DEFERRAL = DeferralState(job="file:///j", until=NOW.timestamp())


@pytest.mark.parametrize(
    ("outcome", "now", "ahead_seconds"),
    [("deadline", NOW, 0.0), ("deadline", NOW.subtract(minutes=5), 300.0), ("ended", NOW.subtract(minutes=5), 0.0)],
)
def test_a_triggerer_whose_clock_is_ahead_is_told_later_moments(
    outcome: str, now: pendulum.DateTime, ahead_seconds: float
) -> None:
    assert DEFERRAL.after({"outcome": outcome}, now).ahead_seconds == ahead_seconds


OUTAGE = ApiConnectionError("no answer", connected=True)


def test_waits_for_a_service_that_fails_grow_to_ten_minutes_and_end_after_a_day() -> None:
    now, waits, state = NOW, [], DEFERRAL
    while (again := state.after_failure(OUTAGE, now)) is not None:
        waits.append(round(again.until - now.timestamp()))
        state, now = again, pendulum.from_timestamp(again.until)
    assert waits[:6] == [60, 120, 240, 480, 600, 600]
    assert NOW.add(hours=24) < now < NOW.add(hours=24, minutes=11)
    assert state.job == DEFERRAL.job


class TaskInstance:
    """A task instance whose XComs survive a deferral."""

    task_id, map_index = "label", -1

    def __init__(self, **xcoms: Any) -> None:
        self.xcoms = xcoms

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        return self.xcoms.get(key)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def test_what_is_remembered_is_recalled_in_the_words_of_the_first_version() -> None:
    kept = {
        "job": "file:///j",
        "until": 1_800_000_000.0,
        "ahead_seconds": 2.0,
        "pinned": {"destination": "file:///out", "deadline": None},
        "failing_since": None,
        "failures": 0,
    }
    deferred, again = TaskInstance(deferral=kept), TaskInstance()
    state = DeferralState.recalled({"ti": deferred})  # type: ignore[typeddict-item]
    assert state is not None
    state.remember({"ti": again})  # type: ignore[typeddict-item]
    assert again.xcoms == {"deferral": kept}


def test_a_first_stint_recalls_nothing() -> None:
    assert DeferralState.recalled({"ti": TaskInstance()}) is None  # type: ignore[typeddict-item]
