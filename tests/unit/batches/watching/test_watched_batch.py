"""A batch is given up only after the same denial has come repeatedly, for minutes."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.watching.schedule import Rest, Schedule
from anthropic_batches_provider.batches.watching.watched_batch import PATIENCE_LOOKS, PATIENCE_SECONDS
from anthropic_batches_provider.errors import ApiConnectionError, AuthenticationFailedError, BatchNotFoundError
from tests.unit.batches.watching.schedules import resting_until, schedule_of
from tests.worlds.sightings import START, one

NOT_FOUND = BatchNotFoundError("no such batch", status=404)
REFUSED = AuthenticationFailedError("bad key", status=401)
UNREACHABLE = ApiConnectionError("no route", connected=False)


def is_denied(schedule: Schedule) -> bool:
    return schedule.batches["a"].is_denied


@pytest.mark.parametrize("error", [NOT_FOUND, REFUSED])
def test_a_denial_becomes_final_only_after_minutes_and_several_looks(error: Exception) -> None:
    schedule = schedule_of("a")
    now, looks = START + 1, 0
    while not is_denied(schedule):
        step = schedule.next_step(now)
        if isinstance(step, Rest):
            now = step.until
        else:
            looks += 1
            schedule.saw_each({}, {"a": error}, now)
    assert looks >= PATIENCE_LOOKS
    assert PATIENCE_SECONDS <= now - START <= PATIENCE_SECONDS + 130


def test_time_alone_does_not_make_a_denial_final() -> None:
    schedule = schedule_of("a")
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 1)
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 10_000)
    assert not is_denied(schedule)


def test_an_outage_between_denials_neither_counts_nor_starts_the_patience_anew() -> None:
    schedule = schedule_of("a")
    for number in range(PATIENCE_LOOKS - 1):
        schedule.saw_each({}, {"a": NOT_FOUND}, START + number)
    for number in range(100):
        schedule.saw_each({}, {"a": UNREACHABLE}, START + 10 + 60 * number)
    assert not is_denied(schedule)
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 7000)
    assert is_denied(schedule)


def test_a_look_that_succeeds_ends_all_patience() -> None:
    schedule = schedule_of("a")
    for number in range(PATIENCE_LOOKS - 1):
        schedule.saw_each({}, {"a": NOT_FOUND}, START + 200 * number)
    schedule.saw_each({"a": one("a")}, {}, START + 900)
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 1000)
    assert not is_denied(schedule)


def test_whoever_comes_after_a_final_denial_gets_patience_of_its_own() -> None:
    schedule = schedule_of("a")
    for number in range(PATIENCE_LOOKS):
        schedule.saw_each({}, {"a": NOT_FOUND}, START + 200 * number)
    assert is_denied(schedule)
    schedule.add("a", 60, START + 900)
    assert not is_denied(schedule)
    assert resting_until(schedule.next_step(START + 900)) < START + 901
