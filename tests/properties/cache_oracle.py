"""What the shared prefix of a job must cost at least, and why it cost more; from the simulator's facts alone.

It knows nothing of the gate that sends a job's shards: only when each batch was created, when it ended, how many of its
rows were answered, and what the world did meanwhile. A batch looks for the entry when it is created, and leaves it when
it ends, as in the simulator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

LIFE = {"5m": 300.0, "1h": 3600.0}
CERTAIN_FOR = {"5m": 60.0, "1h": 300.0}
"""So long the entry must live on for a shard to be sent."""
GIVEN_UP_AFTER = 2 * 3600.0
"""So long a job waits for a primer."""
LATEST_BATCH = 600.0
"""So long after its call the service makes a batch at most."""
AT_ONCE = 60.0
"""So long it takes at most from the decision to send a shard to its batch."""
FAILED_PRIMERS = 3
"""After so many primers without an answer a job waits for none."""
PRIMERS_IN_VAIN = 10
"""Nor after so many whose entry died before anything else was sent."""

UNEXPLAINED = "nothing outside the job"
LATE_PRIMER = "a primer that took longer than 2 hours"
FAILED = "3 primers in a row without an answer"
IN_VAIN = "10 primers in a row whose entry died before the task came back"
NO_PRIMERS = "no primers left, after some in vain or without an answer"
UNANSWERED = "batches without any answer, which read and renewed nothing"
LATE_BATCH = "a batch that the service made later than it was asked to"
FROZEN = "the worker stopped before it sent a shard"
AWAY = "the task was away while the entry lived"
WINDOW_FULL = "other rows filled the window while the entry lived"
REFUSED = "calls failed while the entry lived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A batch; moments are seconds of the simulator's clock.

    :param round: the number of its round.
    :param is_for_others: whether its rows were taken out of a shard so that the others find the entry.
    """

    created_at: float
    ends_at: float
    requests: int
    answered: int
    round: int = 1
    is_for_others: bool = False

    @property
    def may_prime(self) -> bool:
        """Whether it is a row of its own, after which others may be sent."""
        return self.requests == 1

    def has_failed(self, now: float) -> bool:
        """Return whether it is known that none of its rows was answered."""
        return not self.answered and self.ends_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the world did to a job.

    :param at_work: when the task began to work, and the service answered.
    :param troubled: from when to when calls were refused, lost or to be paused.
    :param frozen: from when to when its worker stopped.
    :param late: when batches were created that the service had been asked for long before.
    :param primers: how many shards of each round are rows of their own.
    :param window: how many requests may be in flight.
    """

    at_work: Sequence[float] = ()
    troubled: Sequence[tuple[float, float]] = ()
    frozen: Sequence[tuple[float, float]] = ()
    late: Sequence[float] = ()
    primers: Sequence[int] = ()
    window: int = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a token of the prefix costs, in thousandths of a token of plain input."""

    write: int
    read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixAccount:
    """What the shared prefix of a job cost, in writes and reads of the whole of it.

    :param least: how many of the writes were needed: one for each time that the entry was dead when a shard began.
    :param more: by their causes, the other writes, each of which could have been a read.
    """

    writes: int
    reads: int
    least: int
    more: Counter[str]

    def cost(self, prices: Prices) -> int:
        """Return the cost of one token of the prefix."""
        return self.writes * prices.write + self.reads * prices.read

    def least_cost(self, prices: Prices) -> int:
        """Return what it would have cost at least."""
        return self.least * prices.write + (self.writes + self.reads - self.least) * prices.read


@dataclass(slots=True)
class Spell:
    """A time without the entry, and the time with it that follows.

    :ivar born_at: when a batch left the entry; None if none did.
    :ivar dies_at: until when it lives from then on.
    :ivar cold: the batches that were created without it.
    :ivar warm: those that were created with it.
    """

    born_at: float | None = None
    dies_at: float = 0.0
    cold: list[Sent] = field(default_factory=list)
    warm: list[Sent] = field(default_factory=list)

    def lives_on(self, now: float, seconds: float, ttl: str) -> bool:
        """Return whether there is an entry, which lives on for so long even if nothing more is sent."""
        read = [sent.created_at for sent in self.warm if sent.answered]
        left = [sent.ends_at for sent in (*self.cold, *self.warm) if sent.answered]
        used_at = max((at for at in (*read, *left) if at <= now), default=-LIFE[ttl])
        return now + seconds < min(used_at + LIFE[ttl], self.dies_at)


def spells(
    batches: Sequence[Sent], ttl: str, touches: Callable[[Sent], bool] = lambda sent: sent.answered > 0
) -> list[Spell]:
    """Return the lives of the entry, from the first batch on.

    :param touches: whether a batch that was created while the entry lived has read it then.
    """
    events = [(sent.created_at, 1, sent) for sent in batches]
    events += [(sent.ends_at, 0, sent) for sent in batches if sent.answered]
    found = [Spell()]
    for at, is_creation, sent in sorted(events, key=lambda event: event[:2]):
        if found[-1].born_at is not None and at >= found[-1].dies_at:
            found.append(Spell())
        spell = found[-1]
        is_live = spell.born_at is not None
        if is_creation:
            (spell.warm if is_live else spell.cold).append(sent)
        elif not is_live:
            spell.born_at = at
        if (is_live and touches(sent)) or not is_creation:
            spell.dies_at = max(spell.dies_at, at + LIFE[ttl])
    return found


def account_of(batches: Sequence[Sent], ttl: str, world: World) -> PrefixAccount:
    """Return what a job wrote and read, how much of it was needed, and why it wrote more."""
    lives = spells(batches, ttl)
    more: Counter[str] = Counter()
    least = 0
    for number, spell in enumerate(lives):
        wrote = [sent for sent in spell.cold if sent.answered]
        if not wrote:
            continue
        if _is_in_vain(spell, lives[number + 1 :]):
            more[_why_in_vain(spell, lives[number + 1 :], ttl, world)] += 1
        else:
            least += 1
        for sent in wrote:
            if too_many := sent.answered - (sent is wrote[0]):
                more[_why_cold(sent, spell, lives[: number + 1], ttl, world)] += too_many
    return PrefixAccount(
        writes=sum(sent.answered for spell in lives for sent in spell.cold),
        reads=sum(sent.answered for spell in lives for sent in spell.warm),
        least=least,
        more=more,
    )


def _is_in_vain(spell: Spell, later: Sequence[Spell]) -> bool:
    """Return whether primers wrote an entry that no shard read, although shards of their round were not sent."""
    used = [sent for sent in (*spell.cold, *spell.warm) if sent.answered]
    return bool(used) and all(sent.is_for_others for sent in used) and _next_shard(used[0], later) is not None


def _next_shard(primer: Sent, later: Sequence[Spell]) -> Sent | None:
    """Return the first shard of the round of a primer that was sent in later spells."""
    others = (sent for spell in later for sent in (*spell.cold, *spell.warm) if not sent.is_for_others)
    of_its_round = (sent for sent in others if sent.round == primer.round)
    return min(of_its_round, key=lambda sent: sent.created_at, default=None)


def _why_in_vain(spell: Spell, later: Sequence[Spell], ttl: str, world: World) -> str:
    assert spell.born_at is not None
    if any(start < spell.dies_at and spell.born_at < end for start, end in world.troubled):
        return REFUSED
    if any(start < spell.dies_at and spell.born_at < end for start, end in world.frozen):
        return FROZEN
    if any(not sent.answered and not sent.is_for_others for sent in spell.warm):
        return UNANSWERED
    at_work = [at for at in world.at_work if spell.lives_on(at, CERTAIN_FOR[ttl], ttl)]
    if not at_work:
        return AWAY
    following = _next_shard(spell.cold[0], later)
    has_room = (following is not None and _has_room(spell, following, at, world.window) for at in at_work)
    return UNEXPLAINED if any(has_room) else WINDOW_FULL


def _has_room(spell: Spell, following: Sent, at: float, window: int) -> bool:
    """Return whether the window had room for the next shard beside what ran, or was sent, when the task was at work."""
    running = [sent for sent in (*spell.cold, *spell.warm) if sent.created_at < at + AT_ONCE and at < sent.ends_at]
    return not running or sum(sent.requests for sent in running) + following.requests <= window


def _why_cold(sent: Sent, spell: Spell, lives: Sequence[Spell], ttl: str, world: World) -> str:
    """Return why more than one row of a batch, or a row beside another batch, found no entry.

    :param spell: in which it was created, the last of the lives.
    """
    now = sent.created_at
    if now in world.late:
        return LATE_BATCH
    if any(start < now < end + AT_ONCE for start, end in world.frozen):
        return FROZEN
    before = [each for life in lives for each in (*life.cold, *life.warm) if each.created_at < now]
    running = [each for each in spell.cold if each.created_at < now < each.ends_at]
    if any(each.may_prime and _is_given_up(each, now, world) for each in running):
        return LATE_PRIMER
    used_at = max((life.dies_at - LIFE[ttl] for life in lives[:-1]), default=0.0)
    if sum(each.has_failed(now) for each in before if each.may_prime and each.created_at >= used_at) >= FAILED_PRIMERS:
        return FAILED
    believed = spells([*before, sent], ttl, lambda each: each.answered > 0 or not each.has_failed(now))
    if any(each is sent for life in believed for each in life.warm):
        return UNANSWERED
    if _in_vain_before(lives) >= PRIMERS_IN_VAIN:
        return IN_VAIN
    primers = [each for each in before if each.round == sent.round and each.may_prime]
    if len(primers) >= world.primers[sent.round - 1] and _some_were_lost(primers, lives, now, world):
        return NO_PRIMERS
    if sent.may_prime and (cold := [each for each in running if not each.may_prime]):
        # A primer may end before what went without one, for the reason that let that go.
        return _why_cold(cold[0], spell, lives, ttl, world)
    return UNEXPLAINED


def _in_vain_before(lives: Sequence[Spell]) -> int:
    """Return how many single rows in a row, before the last life, wrote an entry, and nothing else was answered."""
    found = 0
    for life in reversed(lives[:-1]):
        answered = [sent for sent in (*life.cold, *life.warm) if sent.answered]
        if not all(sent.may_prime for sent in answered):
            break
        found += sum(sent.answered for sent in life.cold)
    return found


def _is_given_up(primer: Sent, now: float, world: World) -> bool:
    """Return whether a primer is waited for no longer; the time of a late one counts from its call."""
    late = LATEST_BATCH if primer.created_at in world.late else 0.0
    return primer.created_at - late + GIVEN_UP_AFTER <= now < primer.ends_at


def _some_were_lost(primers: Sequence[Sent], lives: Sequence[Spell], now: float, world: World) -> bool:
    """Return whether primers did not help: they were not answered, took long, or wrote an entry that nothing read."""
    if any(each.has_failed(now) or _is_given_up(each, now, world) for each in primers):
        return True
    return any(_is_in_vain(life, lives[number + 1 :]) for number, life in enumerate(lives))
