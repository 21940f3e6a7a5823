"""Schedules without jitter, for tests of what they decide."""

from __future__ import annotations

from anthropic_batches_provider.batches.watching.schedule import Rest, Schedule, Step
from tests.worlds.sightings import START


def names(count: int) -> list[str]:
    return [f"msgbatch_{number:05}" for number in range(count)]


def schedule_of(*batch_ids: str, poll_interval: float = 60.0) -> Schedule:
    schedule = Schedule(jitter=lambda: 0.0)
    for batch_id in batch_ids:
        schedule.add(batch_id, poll_interval, START)
    return schedule


def resting_until(step: Step) -> float:
    assert isinstance(step, Rest)
    return step.until
