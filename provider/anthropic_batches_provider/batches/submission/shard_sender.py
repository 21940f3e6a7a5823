"""Sends one shard, or settles its unresolved create call; each shard is paid at most once.

Rules that must not be relaxed: an intent is durable before its POST; one POST per intent; an unknown outcome is settled
from the batches that the service lists, and a new POST needs a new intent; a replaced job sends nothing more.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace

import pendulum

from anthropic_batches_provider.batches.clock import Clock, ServiceClock
from anthropic_batches_provider.batches.create_answers import check_accepted, is_refusal
from anthropic_batches_provider.batches.ledger import (
    BatchRecord,
    IntentRecord,
    JobFolder,
    Refused,
    ShardRecord,
    ShardState,
    Submitted,
    Void,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch, moment
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.requests.wording import shortened
from anthropic_batches_provider.batches.service import SubmissionService
from anthropic_batches_provider.batches.submission.lost_answers import LostAnswers
from anthropic_batches_provider.batches.submission.next_look import NextLook
from anthropic_batches_provider.batches.submission.outcomes import OutcomeRecorder
from anthropic_batches_provider.batches.submission.service_time import ServiceTime
from anthropic_batches_provider.batches.submission.settlement_rules import SubmissionBounds
from anthropic_batches_provider.batches.submission.shard_body import ShardPost
from anthropic_batches_provider.errors import ApiStatusError, LedgerError, RateLimitedError, UnexpectedAnswerError

log = logging.getLogger(__name__)

_OTHER_ATTEMPT_LOOK = pendulum.duration(seconds=30)
_SHOWN = 300  # characters of an answer that a waiting task shows
_MOST_VOIDS = 5


class SubmissionStoppedError(Exception):
    """The task was asked to stop; nothing was sent after that."""


class ShardSender:
    """Gets one shard after another its batch; the parameters are those of :class:`Submission`."""

    def __init__(
        self,
        job: JobFolder,
        service: SubmissionService,
        *,
        clock: Clock,
        service_clock: ServiceClock,
        bounds: SubmissionBounds,
        should_stop: Callable[[], bool],
    ) -> None:
        self._job = job
        self._service = service
        self._clock = clock
        self._time = ServiceTime(service, clock, service_clock)
        self._bounds = bounds
        self._should_stop = should_stop
        self._description = job.description()
        self._outcomes = OutcomeRecorder(job, service, service_now=self._time.now)
        self._lost_answers = LostAnswers(
            job, service, self._outcomes, nonce=self._description.nonce, clock=clock, time=self._time
        )

    def service_now(self) -> pendulum.DateTime:
        """Return the service's time."""
        return self._time.now()

    def settle(self, state: ShardState) -> ShardState | NextLook:
        """Settle the open intent of a shard; nothing is sent.

        :returns: the shard's new state, with its batch or ready to be sent again; or what to wait for.
        :raises LedgerError: its lost answer can never be settled, or another job replaced this one.
        """
        intent = state.open_intent
        waiting = self._lost_answers.settle(state.shard, intent) if intent is not None else None
        return waiting or self._job.shard_state(state.shard)

    def send(self, state: ShardState, in_flight: int = 0) -> NextLook | None:
        """Send a shard that has neither a batch nor an open intent.

        The new intent's number comes from this state, which must itself show that every earlier intent has its outcome.
        Another attempt may have begun one since the caller's check, and an attempt that numbers past an open intent
        pays twice.

        :param state: the shard's state from one reading of the ledger.
        :param in_flight: how many other requests the job has in flight, for the record of a refusal.
        :returns: what to wait for; None if the shard has its batch.
        :raises ApiError: the service refused.
        :raises LedgerError: its lost answer can never be settled, or another job replaced this one.
        :raises SubmissionStoppedError: ``should_stop`` returned true.
        """
        shard = state.shard
        # Its time counts from before the service is asked: a pause in between would date the intent back.
        post = ShardPost(self._job, shard, clock=self._clock, bounds=self._bounds)
        self._time.refresh_if_old()
        if state.batch is not None:
            return None
        if state.open_intent is not None:
            return self._other_attempt(shard)
        if self._should_stop():
            raise SubmissionStoppedError(f"Stopped before shard {shard.shard} of {self._job.uri} was sent.")
        self._check_voids(state)
        post.check_readable()
        intent = self._intent(state)
        if not self._job.record_intent(intent):
            return self._other_attempt(shard)
        if not self._job.replacement.keep_place():
            self._outcomes.conclude(intent, Refused(status=None, reason="not sent: another job has replaced this one"))
            raise LedgerError(
                f"{self._job.uri} was replaced by another job while it was being submitted. Clear the task to continue "
                "with that job. This attempt sends nothing more."
            )
        if not post.may_start:
            self._outcomes.conclude(intent, Refused(status=None, reason="not sent: writing its intent took too long"))
            return self._other_attempt(shard)
        return self._post(shard, intent, post, in_flight)

    def _post(self, shard: ShardRecord, intent: IntentRecord, post: ShardPost, in_flight: int) -> NextLook | None:
        """Make the one create call of an intent, and record its outcome if it is known."""
        self._lost_answers.note_sent(intent)
        try:
            batch = self._service.create(post, content_length=shard.body_bytes, betas=self._description.betas)
            check_accepted(batch, requests=shard.requests, intended_at=moment(intent.at))
            self._claim(batch, intent)
        except Exception as error:
            if is_refusal(error):
                self._outcomes.conclude(intent, _refused(error, in_flight))
                raise
            log.warning(
                "Shard %d of %s: the answer to its create call was lost (%s: %s). A batch may exist; the task searches "
                "for it before it sends the shard again.",
                shard.shard, self._job.uri, type(error).__name__, error,
            )  # fmt: skip
            waiting = self._lost_answers.settle(shard, intent)
            if waiting is not None:
                return replace(waiting, reason=f"{waiting.reason} (its answer: {shortened(str(error), _SHOWN)})")
            return self._unless_void(shard)
        self._accept(shard, intent, batch)
        return None

    def _unless_void(self, shard: ShardRecord) -> NextLook | None:
        if self._job.shard_state(shard).batch is not None:
            return None
        return NextLook(until=self._clock.now(), batch_ids=(), reason=f"shard {shard.shard}: it must be sent again")

    def _check_voids(self, state: ShardState) -> None:
        voids = [attempt for attempt in state.attempts if attempt.outcome and isinstance(attempt.outcome.outcome, Void)]
        if len(voids) >= _MOST_VOIDS:
            raise LedgerError(
                f"Shard {state.shard.shard} of {self._job.uri} was sent {len(voids)} times; each time the answer was "
                "lost and no batch appeared. Try a lower max_bytes_per_shard in a new edition=, or another network "
                "path to the API. Something between Airflow and the API drops its create calls. Nothing is billed for "
                f"this shard. {submitted_summary(self._job)}"
            )

    def _intent(self, state: ShardState) -> IntentRecord:
        return IntentRecord(
            shard=state.shard.shard,
            attempt=len(state.attempts) + 1,
            requests=state.shard.requests,
            nonce=secrets.token_hex(6),
            at=self._time.now().to_iso8601_string(),
            settles_after_seconds=self._bounds.settles_after.total_seconds(),
        )

    def _claim(self, batch: MessageBatch, intent: IntentRecord) -> None:
        """Claim the batch of an answer.

        :raises UnexpectedAnswerError: it belongs to another job or shard, so that the answer is not about our call.
        """
        if not self._job.claims.claim(batch.id, intent.shard):
            claim = self._job.claims.claim_of(batch.id)
            owner = "another one" if claim is None else f"shard {claim.shard} of {claim.job}"
            raise UnexpectedAnswerError(f"The answer describes {batch.id}, which belongs to {owner}.")

    def _accept(self, shard: ShardRecord, intent: IntentRecord, batch: MessageBatch) -> None:
        self._outcomes.record_batch(shard, intent, batch, Submitted(batch=BatchRecord.of(batch, sent_at=intent.at)))
        log.info("Shard %d: submitted %s with %s.", intent.shard, batch.id, counted(intent.requests, "request"))

    def _other_attempt(self, shard: ShardRecord) -> NextLook:
        return NextLook(
            until=self._clock.now() + _OTHER_ATTEMPT_LOOK,
            batch_ids=(),
            reason=f"shard {shard.shard}: another attempt of this task is sending it",
        )


def _refused(error: Exception, in_flight: int) -> Refused:
    """Return the record of a refusal; of a rate limit, with the requests in flight and the pause that was asked for."""
    if isinstance(error, RateLimitedError):
        asked = error.retry_after_seconds
        return Refused(status=error.status, reason=str(error), in_flight=in_flight, retry_after_seconds=asked)
    return Refused(status=error.status if isinstance(error, ApiStatusError) else None, reason=str(error))


def submitted_summary(job: JobFolder) -> str:
    """Return a summary of the shards that are already paid for, for an error message."""
    states = job.known_shards()
    known = [batch.batch_id for state in states if (batch := state.batch) is not None]
    doubts = sum(state.open_intent is not None for state in states)
    summary = f"Submitted, and billed as they run: {len(known)} of {counted(len(states), 'shard')} of {job.uri}"
    named = f" ({', '.join(known[:5])}{', …' if len(known) > 5 else ''})" if known else ""
    return f"{summary}{named}. Unresolved create calls: {doubts}. A retry continues with the rest."
