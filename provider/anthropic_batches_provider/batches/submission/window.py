"""How many requests of a job may be in flight: an account's queue is bounded, and all its users share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pendulum

from anthropic_batches_provider.batches.ledger import Refused, ShardState
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.pauses import bounded_retry_after

_LOWERED_FOR = pendulum.duration(minutes=15)


@dataclass(slots=True, kw_only=True)
class Window:
    """Room for requests in flight.

    :param most: how many may be in flight.
    :param in_flight: how many are in flight.
    """

    most: int
    in_flight: int = 0

    def admits(self, requests: int) -> bool:
        """Return whether a shard may be sent now; a shard that is alone may have any size."""
        return not self.in_flight or self.in_flight + requests <= self.most


def asked_to_wait_until(states: Sequence[ShardState]) -> pendulum.DateTime | None:
    """Return the end of the pause that the service has asked for, by its own clock; None if it asked for none."""
    asked = [
        moment(attempt.outcome.at).add(seconds=bounded_retry_after(attempt.outcome.outcome.retry_after_seconds))
        for state in states
        for attempt in state.attempts
        if attempt.outcome is not None
        and isinstance(attempt.outcome.outcome, Refused)
        and attempt.outcome.outcome.retry_after_seconds
    ]
    return max(asked, default=None)


def lowered_window(states: Sequence[ShardState], most: int, *, now: pendulum.DateTime) -> int:
    """Return how many requests may be in flight, given the service's recent refusals.

    A 429 while the job had requests in flight shows that the queue is fuller than we know. For 15 minutes, or until a
    batch of the job ends, no more than that number may be in flight.

    :param states: the shards of the job.
    :param most: the limit without a refusal.
    :param now: the service's clock.
    """
    refusals = [
        (moment(attempt.outcome.at), attempt.outcome.outcome.in_flight)
        for state in states
        for attempt in state.attempts
        if attempt.outcome is not None
        and isinstance(attempt.outcome.outcome, Refused)
        and attempt.outcome.outcome.in_flight
    ]
    if not refusals:
        return most
    at, in_flight = max(refusals)
    ends = [moment(state.end.ended_at) for state in states if state.end is not None and state.end.ended_at]
    if now - at > _LOWERED_FOR or any(end > at for end in ends):
        return most
    return min(most, in_flight or most)
