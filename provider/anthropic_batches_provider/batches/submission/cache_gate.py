"""The gate of the prompt cache: a shard is sent while the entry lives that it reads, or a primer goes before it.

Invariants: the gate only holds back; it sends and cancels nothing. Facts of the ledger and the service's time decide,
so that every attempt agrees. Where no primer can help, it opens, with a warning.

When the service begins a batch is not known. The entry counts as read when a batch is created and when it ends, and at
no time in between: the least favorable moments.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pendulum

from anthropic_batches_provider.batches.ledger import JobFolder, ShardState
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.prompt_cache import LIFE, CacheTtl
from anthropic_batches_provider.batches.submission.next_look import NextLook
from anthropic_batches_provider.batches.submission.pilot_gate import OPENS_AFTER, opens_at
from anthropic_batches_provider.batches.submission.sending_order import SendingOrder

log = logging.getLogger(__name__)

MOST_FAILED_PRIMERS = 3
"""So many primers in a row that wrote no entry open the gate."""
MOST_PRIMERS_IN_VAIN = 10
"""So many in a row whose entry died before anything else was sent do, too: else a job waits once for each shard."""
_MUST_STILL_LIVE: dict[CacheTtl, pendulum.Duration] = {
    "5m": pendulum.duration(minutes=1),
    "1h": pendulum.duration(minutes=5),
}
"""So long the entry must still live when a shard is sent: the upload takes time, and so does the service."""
_LOOK = pendulum.duration(minutes=30)


def lives_until(states: Iterable[ShardState], ttl: CacheTtl) -> pendulum.DateTime | None:
    """Return until when the entry lives for certain, by the service's time; None if nothing has written it.

    :param states: the shards of a job; a request that was answered has read or written the entry.
    """
    return _life(states, ttl)[0]


def _life(states: Iterable[ShardState], ttl: CacheTtl) -> tuple[pendulum.DateTime | None, int]:
    """Return also how many primers in a row have found the entry dead since anything else was sent."""
    touches: list[tuple[pendulum.DateTime, bool, bool]] = []
    for state in states:
        if state.batch is None or _was_not_answered(state):
            continue
        touches.append((moment(state.batch.created_at), False, _may_prime(state)))
        if state.end is not None and state.end.ended_at is not None:
            touches.append((moment(state.end.ended_at), True, False))
    until: pendulum.DateTime | None = None
    in_vain = 0
    for at, has_certainly_touched, may_prime in sorted(touches):
        lives = until is not None and at < until
        if not has_certainly_touched:
            in_vain = in_vain + 1 if may_prime and not lives else 0
        if has_certainly_touched or lives:
            until = at + LIFE[ttl] if until is None else max(until, at + LIFE[ttl])
    return until, in_vain


def _may_prime(state: ShardState) -> bool:
    return state.shard.is_primer or state.shard.requests == 1


def _was_not_answered(state: ShardState) -> bool:
    """Return whether it is known that no request of a shard has read or written the entry."""
    return state.end is not None and not state.end.request_counts.get("succeeded")


def _is_unsent(state: ShardState) -> bool:
    return state.batch is None and state.open_intent is None


@dataclass(slots=True)
class CacheGate:
    """Tells which shards of a job may be sent now, given what the prompt cache holds.

    :param job: a sealed job whose requests use the prompt cache.
    """

    job: JobFolder
    ttl: CacheTtl
    _order: SendingOrder = field(default_factory=SendingOrder)
    _lives_until: pendulum.DateTime | None = None
    _in_vain: int = 0
    _sent: set[int] = field(default_factory=set)
    _in_flight: list[ShardState] = field(default_factory=list)
    _due: ShardState | None = None
    _is_open: bool = False
    _told: str = ""

    def needs_ends(self, order: SendingOrder, now: pendulum.DateTime) -> bool:
        """Return whether it matters if a running batch has ended: those that have do not keep the entry by themselves.

        :param now: the service's time.
        """
        until = lives_until([state for state in order.states if not state.is_running], self.ttl)
        return not self._is_long_enough(until, now) and any(state.is_running for state in order.states)

    def look(self, order: SendingOrder, now: pendulum.DateTime) -> None:
        """Take the shards as they are now.

        :param now: the service's time.
        """
        self._order = order
        self._lives_until, self._in_vain = _life(order.states, self.ttl)
        self._sent = {state.shard.shard for state in order.states if not _is_unsent(state)}
        running = [state for state in order.states if _may_prime(state) and opens_at(state) is not None]
        late = [state for state in running if (at := opens_at(state)) is not None and at <= now]
        self._in_flight = [state for state in running if state not in late]
        self._due = None if self._in_flight else self._next_primer()
        self._is_open = self._opens([state for state in late if self._was_sent_cold(state)], now)

    def is_warm(self, now: pendulum.DateTime) -> bool:
        """Return whether the entry lives long enough for a shard that is sent now."""
        return self._is_long_enough(self._lives_until, now)

    def _is_long_enough(self, until: pendulum.DateTime | None, now: pendulum.DateTime) -> bool:
        return until is not None and now + _MUST_STILL_LIVE[self.ttl] < until

    def admits(self, state: ShardState, now: pendulum.DateTime) -> bool:
        """Return whether a shard may be sent now.

        :param now: the service's time.
        """
        if self._is_open:
            return True
        return self._is_turn_of(state) if self.is_warm(now) else self.is_due(state, now)

    def is_due(self, state: ShardState, now: pendulum.DateTime) -> bool:
        """Return whether this is the primer that must go before the others, because the entry is dead.

        :param now: the service's time.
        """
        is_it = self._due is not None and self._due.shard.shard == state.shard.shard
        return is_it and not self._is_open and not self.is_warm(now)

    def room_for(self, state: ShardState, now: pendulum.DateTime) -> int:
        """Return for how many requests there must be room: a primer that goes first needs that of the next shard, too.

        It would have to be sent again if the others had to wait for longer than the entry lives.
        """
        following = self._first_unsent(beside=state) if self.is_due(state, now) else None
        return state.shard.requests + (0 if following is None else following.shard.requests)

    def note_sent(self, state: ShardState, now: pendulum.DateTime) -> None:
        """Take a shard that was just sent, or whose create call has no known outcome yet."""
        self._sent.add(state.shard.shard)
        if self._lives_until is not None and now < self._lives_until:
            self._lives_until = max(self._lives_until, now + LIFE[self.ttl])
        elif not self._is_open:
            self._in_flight, self._due = [state], None

    def waits(self, now: pendulum.DateTime) -> bool:
        """Return whether the others wait for a primer that is in flight."""
        return not self._is_open and not self.is_warm(now) and bool(self._in_flight)

    def wait(
        self, states: Sequence[ShardState], *, now: pendulum.DateTime, local_now: pendulum.DateTime
    ) -> NextLook | None:
        """Return how to wait for the primer that is in flight; None if there is none.

        :param states: the shards as they are now.
        :param now: the service's time.
        """
        if not self.waits(now):
            return None
        numbers = {state.shard.shard for state in self._in_flight}
        primers = [state for state in states if state.shard.shard in numbers]
        if all(_is_unsent(state) for state in primers):  # its call has proven void since
            return NextLook(until=local_now, batch_ids=(), reason="prompt cache: 1 row goes first")
        late = [at - now for state in primers if (at := opens_at(state)) is not None and at > now]
        return NextLook(
            until=local_now + min([_LOOK, *late]),
            batch_ids=tuple(state.batch.batch_id for state in primers if state.is_running and state.batch is not None),
            reason="prompt cache: 1 row goes first, waiting",
        )

    def _is_turn_of(self, state: ShardState) -> bool:
        """Return whether a shard may go while the entry lives: a primer goes with its shard, and spare ones last."""
        if not state.shard.is_primer:
            return True
        number = state.shard.shard
        if number >= self._order.first_round:
            return True
        primed = self._order.primed_by.get(number)
        return self._first_unsent() is None if primed is None else primed in self._sent

    def _first_unsent(self, *, beside: ShardState | None = None) -> ShardState | None:
        """Return the first shard that would read the entry and is not sent."""
        not_wanted = self._sent if beside is None else {*self._sent, beside.shard.shard}
        unsent = (state for state in self._order.states if state.shard.shard not in not_wanted)
        return next((state for state in unsent if not state.shard.is_primer), None)

    def _next_primer(self) -> ShardState | None:
        """Return the primer that goes first if the entry is dead: that of the next shard, or of another, or a spare."""
        following = self._first_unsent()
        unsent = [state for state in self._order.states if _may_prime(state) and state.shard.shard not in self._sent]
        own = None if following is None else self._order.primer_of.get(following.shard.shard)

        def rank(state: ShardState) -> int:
            number = state.shard.shard
            if number == own:
                return 0
            # A shard of one row that primes the others is of the rest: before a pilot's verdict it goes only in need.
            return 3 if not state.shard.is_primer else 1 if number in self._order.primed_by else 2

        return min(unsent, key=rank, default=None)

    def _opens(self, late: Sequence[ShardState], now: pendulum.DateTime) -> bool:
        """Return whether all may be sent although the entry may be dead; say why if it matters."""
        if all(self._due is state or state.shard.shard in self._sent for state in self._order.states):
            return True
        if self._in_flight:
            return False
        if late:
            self._tell(f"a primer has not ended in {OPENS_AFTER.in_words()}")
            return True
        if self._failed_in_a_row() >= MOST_FAILED_PRIMERS:
            self._tell(f"{counted(MOST_FAILED_PRIMERS, 'primer')} in a row were not answered")
            return True
        if self._due is None:
            self._tell("all primers have been sent")
            return True
        if self._in_vain >= MOST_PRIMERS_IN_VAIN and not self.is_warm(now):
            self._tell(f"{MOST_PRIMERS_IN_VAIN} primers in a row were answered, and the task came too late")
            return True
        return False

    def _was_sent_cold(self, state: ShardState) -> bool:
        """Return whether a primer was sent since the entry died; any other one is late in vain, and the next can go."""
        at = opens_at(state)
        return self._lives_until is None or (at is not None and self._lives_until <= at - OPENS_AFTER)

    def _failed_in_a_row(self) -> int:
        """Return how many primers were not answered since the entry was last read or written."""
        since = None if self._lives_until is None else self._lives_until - LIFE[self.ttl]
        return sum(
            1
            for state in self._order.states
            if _may_prime(state)
            and state.batch is not None
            and _was_not_answered(state)
            and (since is None or moment(state.batch.created_at) > since)
        )

    def _tell(self, reason: str) -> None:
        if reason != self._told:
            log.warning(
                "Requests of %s may find no entry in the prompt cache, and pay for writing it: %s. The rest is sent "
                "all the same.",
                self.job.uri, reason,
            )  # fmt: skip
            self._told = reason
