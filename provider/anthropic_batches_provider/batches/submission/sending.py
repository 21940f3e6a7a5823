"""Sends the sealed shards of a job, each at most once.

Rules that must not be relaxed: an intent is durable before its POST; one POST per intent; an unknown outcome is
settled from what the service lists, and a new POST needs a new intent; an unsettled shard holds up no other.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pendulum

from anthropic_batches_provider.batches.clock import Clock, ServiceClock
from anthropic_batches_provider.batches.ledger import (
    Adopted,
    BatchRecord,
    IntentRecord,
    JobFolder,
    OutcomeRecord,
    Refused,
    ShardRecord,
    ShardState,
    Submitted,
    Void,
)
from anthropic_batches_provider.batches.ledger.records import Outcome
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.batches.submission.answers import check_accepted, is_refusal
from anthropic_batches_provider.batches.submission.post import ShardPost
from anthropic_batches_provider.batches.submission.settlement import (
    Adopt,
    DeclareVoid,
    GiveUp,
    SubmissionBounds,
    WaitToSettle,
)
from anthropic_batches_provider.batches.submission.settling import Settler, SettlingService
from anthropic_batches_provider.errors import (
    ApiStatusError,
    CorruptLedgerError,
    RateLimitedError,
    SubmissionOutcomeUnknownError,
)

log = logging.getLogger(__name__)

_OTHER_ATTEMPT_LOOK = pendulum.duration(seconds=30)
_QUEUE_FULL_PAUSE = pendulum.duration(seconds=60)
_LONGEST_PAUSE = pendulum.duration(minutes=10)


class SubmissionService(SettlingService, Protocol):
    """What submission asks of the client."""

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        """Send one create call, once."""

    def cancel(self, batch_id: str) -> MessageBatch:
        """Cancel a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Not all shards have a batch yet; look again.

    :param until: at this moment of the local clock at the latest.
    :param batch_ids: or as soon as one of these has ended; may be empty.
    :param reason: for people.
    """

    until: pendulum.DateTime
    batch_ids: tuple[str, ...]
    reason: str


class SubmissionStoppedError(Exception):
    """The task was told to stop; nothing was sent after that."""


class Submission:
    """Brings a sealed job to the point where every shard has its batch.

    :param job: a sealed job.
    :param service_clock: the service's time, from a list call that also proved key and account.
    :param should_stop: checked before each create call.
    """

    def __init__(
        self,
        job: JobFolder,
        service: SubmissionService,
        *,
        clock: Clock,
        service_clock: ServiceClock,
        bounds: SubmissionBounds,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._job = job
        self._service = service
        self._clock = clock
        self._service_clock = service_clock
        self._bounds = bounds
        self._should_stop = should_stop
        self._description = job.description()
        self._settler = Settler(job, service, nonce=self._description.nonce, service_clock=service_clock, bounds=bounds)

    def advance(self) -> list[BatchRecord] | Waiting:
        """Send what can be sent and settle what can be settled now.

        :returns: the batches of all shards, in order; or what to wait for before advancing again.
        :raises ApiError: the service refused a shard for a reason that waiting does not mend.
        :raises SubmissionOutcomeUnknownError: a lost answer can never be settled.
        :raises SubmissionStoppedError: ``should_stop`` said so.
        """
        waits: list[Waiting] = []
        unknown: SubmissionOutcomeUnknownError | None = None
        for state in self._job.shards():
            if state.batch is not None:
                continue
            try:
                wait = self._advance_shard(state)
            except SubmissionOutcomeUnknownError as error:
                unknown = unknown or error
                continue
            except RateLimitedError as error:
                waits.append(self._pause(state, error))
                break
            if wait is not None:
                waits.append(wait)
        if waits:
            return _combined(waits)
        if unknown is not None:
            raise unknown
        return self._job.batches()

    def _advance_shard(self, state: ShardState) -> Waiting | None:
        if state.batch is not None:
            return None
        if intent := state.open_intent:
            return self._settle(state.shard, intent)
        return self._send(state)

    def _send(self, state: ShardState) -> Waiting | None:
        shard = state.shard
        if self._should_stop():
            raise SubmissionStoppedError(f"Stopped before shard {shard.shard} of {self._job.uri} was sent.")
        post = ShardPost(self._job, shard, clock=self._clock, bounds=self._bounds)
        intent = self._intent(state)
        if not self._job.intend(intent):
            return self._other_attempt(shard)
        if not post.may_start:
            self._conclude(intent, Refused(status=None, reason="not sent: writing its intent took too long"))
            return self._other_attempt(shard)
        try:
            batch = self._service.create(post, content_length=shard.body_bytes, betas=self._description.betas)
            check_accepted(batch, requests=shard.requests)
        except Exception as error:
            if is_refusal(error):
                status = error.status if isinstance(error, ApiStatusError) else None
                self._conclude(intent, Refused(status=status, reason=str(error)))
                raise
            log.warning(
                "Shard %d of %s: the answer to its create call was lost (%s: %s). A batch may exist; it is looked for "
                "before anything is sent again.",
                shard.shard, self._job.uri, type(error).__name__, error,
            )  # fmt: skip
            return self._settle(shard, intent)
        self._accept(shard, intent, batch)
        return None

    def _intent(self, state: ShardState) -> IntentRecord:
        return IntentRecord(
            shard=state.shard.shard,
            attempt=len(state.attempts) + 1,
            requests=state.shard.requests,
            nonce=secrets.token_hex(6),
            at=self._service_clock.now().to_iso8601_string(),
            post_deadline_seconds=self._bounds.post_deadline.total_seconds(),
        )

    def _accept(self, shard: ShardRecord, intent: IntentRecord, batch: MessageBatch) -> None:
        if not self._job.claim(batch.id, intent.shard):
            raise CorruptLedgerError(
                f"{batch.id}, which the service just made for shard {intent.shard} of {self._job.uri}, is claimed by "
                f"another job: {self._job.claim_of(batch.id)}. Nothing more is sent. Do two installations share this "
                "storage, or was a claim written by hand?"
            )
        if self._conclude(intent, Submitted(batch=BatchRecord.of(batch))):
            log.info("Shard %d: submitted %s with %d requests.", intent.shard, batch.id, intent.requests)
            return
        known = self._job.shard_state(shard).batch
        if known is None or known.batch_id != batch.id:
            self._service.cancel(batch.id)
            log.error(
                "Shard %d of %s was settled by another attempt while this one was sending it, later than any bound "
                "allows. %s is surplus and was canceled; what it had finished by then is billed twice.",
                intent.shard, self._job.uri, batch.id,
            )  # fmt: skip

    def _settle(self, shard: ShardRecord, intent: IntentRecord) -> Waiting | None:
        decision = self._settler.look(intent)
        if isinstance(decision, Adopt):
            return self._adopt(shard, intent, decision)
        if isinstance(decision, DeclareVoid):
            self._conclude(intent, Void(reason="the service shows no batch that could be this shard's"))
            return self._advance_shard(self._job.shard_state(shard))
        if isinstance(decision, WaitToSettle):
            wait = decision.until - self._service_clock.now()
            reason = f"shard {intent.shard}: whether its create call made a batch is not known yet"
            return Waiting(until=self._clock.now() + wait, batch_ids=decision.batch_ids, reason=reason)
        assert isinstance(decision, GiveUp)  # noqa: S101 - narrows the type; Settler carries out Prove itself
        raise self._unknown(intent, decision)

    def _adopt(self, shard: ShardRecord, intent: IntentRecord, decision: Adopt) -> Waiting | None:
        batch = decision.batch
        if not self._job.claim(batch.id, intent.shard):
            self._settler.belongs_to_another(batch.id)
            return self._settle(shard, intent)
        for duplicate in decision.duplicates:
            self._job.claim(duplicate.id, intent.shard)
            self._service.cancel(duplicate.id)
            log.error(
                "Shard %d of %s was received by the service more than once: %s is surplus and was canceled; what it "
                "had finished is billed twice.",
                intent.shard, self._job.uri, duplicate.id,
            )  # fmt: skip
        duplicates = tuple(duplicate.id for duplicate in decision.duplicates)
        self._conclude(intent, Adopted(batch=BatchRecord.of(batch), duplicates=duplicates))
        log.info("Shard %d: found its batch %s; nothing was sent again.", intent.shard, batch.id)
        return None

    def _conclude(self, intent: IntentRecord, outcome: Outcome) -> bool:
        at = self._service_clock.now().to_iso8601_string()
        return self._job.conclude(OutcomeRecord(shard=intent.shard, attempt=intent.attempt, at=at, outcome=outcome))

    def _other_attempt(self, shard: ShardRecord) -> Waiting:
        return Waiting(
            until=self._clock.now() + _OTHER_ATTEMPT_LOOK,
            batch_ids=(),
            reason=f"shard {shard.shard}: another attempt of this task is sending it",
        )

    def _pause(self, state: ShardState, error: RateLimitedError) -> Waiting:
        asked = pendulum.duration(seconds=error.retry_after_seconds or 0)
        grown = min(_QUEUE_FULL_PAUSE * 2 ** min(len(state.attempts), 4), _LONGEST_PAUSE)
        return Waiting(
            until=self._clock.now() + max(asked, grown),
            batch_ids=(),
            reason=f"shard {state.shard.shard}: the service takes no more for now ({error})",
        )

    def _unknown(self, intent: IntentRecord, decision: GiveUp) -> SubmissionOutcomeUnknownError:
        return SubmissionOutcomeUnknownError(
            f"Shard {intent.shard} of {self._job.uri} was sent at {intent.at}, and its answer was lost. "
            f"{', '.join(decision.batch_ids)} may hold it, but the results that would prove it cannot be read. "
            "Nothing is sent again on a doubt; all other shards have been seen to. Look at these batches in the Claude "
            f"Console: their custom_ids would begin with {custom_id_prefix(self._description.nonce, intent.shard)!r}. "
            f"Then settle it by hand: python -m anthropic_batches_provider settle '{self._job.uri}' --shard "
            f"{intent.shard} --adopt BATCH, or --none.",
            shard=intent.shard,
        )


def _combined(waits: Sequence[Waiting]) -> Waiting:
    reasons = [wait.reason for wait in waits[:3]]
    if len(waits) > 3:
        reasons.append(f"and {len(waits) - 3} more shards")
    return Waiting(
        until=min(wait.until for wait in waits),
        batch_ids=tuple(dict.fromkeys(batch_id for wait in waits for batch_id in wait.batch_ids)),
        reason="; ".join(reasons),
    )
