"""Decides the outcome of a create call whose answer was lost: from the batches that the service lists, never by guess.

If a batch may be the shard's, the rules wait until its first result proves whose it is. They declare the call void, so
that the shard is sent again, only when no such batch is left and none can still appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pendulum

from anthropic_batches_provider.batches.limits import BATCH_EXPIRES_AFTER, EXPIRY_GRACE
from anthropic_batches_provider.batches.message_batch import MessageBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionBounds:
    """How long a create call may take, and how long the service may take to show its batch.

    :param start_within: a POST may start at most this long after its intent, by wall clock.
    :param post_deadline: its body stops this long after it started.
    :param settle_time: how long after that a batch of it may still become visible.
    """

    start_within: pendulum.Duration = pendulum.duration(seconds=60)
    post_deadline: pendulum.Duration = pendulum.duration(minutes=15)
    settle_time: pendulum.Duration = pendulum.duration(minutes=10)

    @property
    def settles_after(self) -> pendulum.Duration:
        """How long after its intent a lost create call may still produce a batch."""
        return self.start_within + self.post_deadline + self.settle_time


class Proof(Enum):
    """Whose batch it is, by the first result of a batch that has ended."""

    NOT_TRIED = "not tried"
    OURS = "ours"
    FOREIGN = "foreign"
    UNPROVABLE = "unprovable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A batch that may hold the unresolved shard: made since the intent, of equal size, claimed by no other job."""

    batch: MessageBatch
    proof: Proof = Proof.NOT_TRIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """The batch is the shard's; its duplicates are the shard's too, but surplus."""

    batch: MessageBatch
    duplicates: tuple[MessageBatch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareVoid:
    """The call made no batch; the shard may be sent again under a new intent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """These batches have ended: read the first result of each."""

    batch_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitToSettle:
    """Nothing can be decided before a batch has ended, or before a moment.

    :param until: check again at this moment of the service's clock at the latest.
    :param batch_ids: check again as soon as all of these have ended, if that is earlier; may be empty.
    """

    until: pendulum.DateTime
    batch_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The call cannot be settled: these batches may be the shard's, and nothing will ever prove it."""

    batch_ids: tuple[str, ...]


Decision = Adopt | DeclareVoid | Prove | WaitToSettle | GiveUp

_BETWEEN_UNREADABLE_LOOKS = pendulum.duration(minutes=30)  # between attempts to read unreadable results


def settle(candidates: Sequence[Candidate], *, appears_until: pendulum.DateTime, now: pendulum.DateTime) -> Decision:
    """Decide the outcome of a lost create call, or the next step towards it.

    :param candidates: every batch that may be the shard's, with its proof.
    :param appears_until: until then, by the service's clock, the call may still produce a batch.
    :param now: the service's clock.
    """
    ours = sorted((c.batch for c in candidates if c.proof is Proof.OURS), key=_age)
    if ours:
        return Adopt(batch=ours[0], duplicates=tuple(ours[1:]))
    untried = [c.batch for c in candidates if c.proof is Proof.NOT_TRIED]
    # A batch in a state that we do not know may have ended; its results tell.
    if readable := tuple(batch.id for batch in untried if batch.processing_status not in ("in_progress", "canceling")):
        return Prove(batch_ids=readable)
    doubtful = [c.batch for c in candidates if c.proof is not Proof.FOREIGN]
    if doubtful:
        bound = max(_expires_by(batch, appears_until) for batch in doubtful) + EXPIRY_GRACE
        if now >= bound:
            return GiveUp(batch_ids=tuple(batch.id for batch in doubtful))
        running = tuple(batch.id for batch in untried)
        return WaitToSettle(until=bound if running else min(bound, now + _BETWEEN_UNREADABLE_LOOKS), batch_ids=running)
    return WaitToSettle(until=appears_until) if now < appears_until else DeclareVoid()


def _expires_by(batch: MessageBatch, appears_until: pendulum.DateTime) -> pendulum.DateTime:
    """Return when a candidate has expired at the latest: none was created after the call had settled."""
    latest = appears_until.add(seconds=BATCH_EXPIRES_AFTER.total_seconds())
    return min(batch.expires_at or latest, latest)


def _age(batch: MessageBatch) -> tuple[bool, pendulum.DateTime]:
    """Sort by creation; a batch whose creation is not known comes last."""
    return batch.created_at is None, batch.created_at or _EPOCH


_EPOCH = pendulum.datetime(1970, 1, 1)
