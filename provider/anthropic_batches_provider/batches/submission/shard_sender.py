"""Sends one shard, or finds out what became of its create call; each shard is paid at most once.

Rules that must not be relaxed: an intent is durable before its POST; one POST per intent; an unknown outcome is
settled from what the service lists, and a new POST needs a new intent; a job that another has replaced sends nothing
more.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

import pendulum
from msgspec.structs import replace

from anthropic_batches_provider.batches.cancellation import cancel_if_in_progress
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
from anthropic_batches_provider.batches.limits import LONGEST_LIFE
from anthropic_batches_provider.batches.message_batch import MessageBatch, moment
from anthropic_batches_provider.batches.service import SubmissionService
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.batches.submission.answers import check_accepted, is_refusal
from anthropic_batches_provider.batches.submission.next_look import NextLook
from anthropic_batches_provider.batches.submission.service_time import ask_time
from anthropic_batches_provider.batches.submission.settlement_rules import (
    Adopt,
    DeclareVoid,
    GiveUp,
    SubmissionBounds,
    WaitToSettle,
)
from anthropic_batches_provider.batches.submission.settler import Settler
from anthropic_batches_provider.batches.submission.shard_body import ShardPost
from anthropic_batches_provider.errors import (
    ApiError,
    ApiStatusError,
    CorruptLedgerError,
    LedgerError,
    RateLimitedError,
    SubmissionOutcomeUnknownError,
)

log = logging.getLogger(__name__)

_OTHER_ATTEMPT_LOOK = pendulum.duration(seconds=30)
_FAILED_LOOK_PAUSE = pendulum.duration(minutes=5)
_MOST_VOIDS = 5
_TIME_IS_FRESH = pendulum.duration(seconds=60)


class SubmissionStoppedError(Exception):
    """The task was told to stop; nothing was sent after that."""


class ShardSender:
    """Brings one shard after another to its batch; parameters as of :class:`Submission`."""

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
        self._service_clock = service_clock
        self._asked_at = clock.now()
        self._bounds = bounds
        self._should_stop = should_stop
        self._description = job.description()
        self._settler = Settler(job, service, nonce=self._description.nonce, service_clock=service_clock)

    def service_now(self) -> pendulum.DateTime:
        """Return the service's time."""
        return self._service_clock.now()

    def settle(self, state: ShardState) -> ShardState | NextLook:
        """Find out what became of the open intent of a shard; nothing is sent.

        :returns: how the shard stands since: with its batch, or to be sent again; or what to wait for.
        :raises LedgerError: its lost answer can never be settled, or the job was replaced by another.
        """
        self._keep_time()
        intent = state.open_intent
        waiting = self._settle(state.shard, intent) if intent is not None else None
        return waiting or self._job.shard_state(state.shard)

    def send(self, state: ShardState, in_flight: int = 0) -> NextLook | None:
        """Send a shard that has neither a batch nor an open intent.

        The state that numbers the new intent must itself show that every earlier one has its outcome: another attempt
        may have begun one since its caller looked, and whoever numbers past an open intent pays twice.

        :param state: as one look at the ledger showed it.
        :param in_flight: how many requests the job has in flight beside it, for the record of a refusal.
        :returns: what to wait for; None if it has its batch.
        :raises ApiError: the service refused.
        :raises LedgerError: its lost answer can never be settled, or the job was replaced by another.
        :raises SubmissionStoppedError: ``should_stop`` said so.
        """
        self._keep_time()
        shard = state.shard
        if state.batch is not None:
            return None
        if state.open_intent is not None:
            return self._other_attempt(shard)
        if self._should_stop():
            raise SubmissionStoppedError(f"Stopped before shard {shard.shard} of {self._job.uri} was sent.")
        self._check_voids(state)
        post = ShardPost(self._job, shard, clock=self._clock, bounds=self._bounds)
        post.check_readable()
        intent = self._intent(state)
        if not self._job.record_intent(intent):
            return self._other_attempt(shard)
        if self._job.is_abandoned():
            self._conclude(intent, Refused(status=None, reason="not sent: another job has replaced this one"))
            raise LedgerError(
                f"{self._job.uri} was replaced by another job while it was submitted. Nothing more is sent."
            )
        if not post.may_start:
            self._conclude(intent, Refused(status=None, reason="not sent: writing its intent took too long"))
            return self._other_attempt(shard)
        try:
            batch = self._service.create(post, content_length=shard.body_bytes, betas=self._description.betas)
            check_accepted(batch, requests=shard.requests)
        except Exception as error:
            if is_refusal(error):
                status = error.status if isinstance(error, ApiStatusError) else None
                refused = Refused(status=status, reason=str(error))
                if isinstance(error, RateLimitedError):
                    asked = error.retry_after_seconds
                    refused = replace(refused, in_flight=in_flight, retry_after_seconds=asked)
                self._conclude(intent, refused)
                raise
            log.warning(
                "Shard %d of %s: the answer to its create call was lost (%s: %s). A batch may exist; it is looked for "
                "before anything is sent again.",
                shard.shard, self._job.uri, type(error).__name__, error,
            )  # fmt: skip
            return self._settle(shard, intent) or self._unless_void(shard)
        self._accept(shard, intent, batch)
        return None

    def _unless_void(self, shard: ShardRecord) -> NextLook | None:
        if self._job.shard_state(shard).batch is not None:
            return None
        return NextLook(until=self._clock.now(), batch_ids=(), reason=f"shard {shard.shard}: it is to be sent again")

    def _keep_time(self) -> None:
        """Ask the time anew when the last answer is old, or this machine's clock was set back."""
        if not pendulum.duration() <= self._clock.now() - self._asked_at <= _TIME_IS_FRESH:
            self._service_clock = self._settler.service_clock = ask_time(self._service, self._clock)
            self._asked_at = self._clock.now()

    def _check_voids(self, state: ShardState) -> None:
        voids = [attempt for attempt in state.attempts if attempt.outcome and isinstance(attempt.outcome.outcome, Void)]
        if len(voids) >= _MOST_VOIDS:
            raise LedgerError(
                f"Shard {state.shard.shard} of {self._job.uri} was sent {len(voids)} times, and each time the answer "
                "was lost and no batch appeared: something between Airflow and the API drops its create calls. Nothing "
                f"is billed for this shard; {submitted_summary(self._job)} Try a lower max_bytes_per_shard in a new "
                "edition=, or another way to the API."
            )

    def _intent(self, state: ShardState) -> IntentRecord:
        return IntentRecord(
            shard=state.shard.shard,
            attempt=len(state.attempts) + 1,
            requests=state.shard.requests,
            nonce=secrets.token_hex(6),
            at=self._service_clock.now().to_iso8601_string(),
            settles_after_seconds=self._bounds.settles_after.total_seconds(),
        )

    def _accept(self, shard: ShardRecord, intent: IntentRecord, batch: MessageBatch) -> None:
        if not self._job.claim(batch.id, intent.shard):
            raise CorruptLedgerError(
                f"{batch.id}, which the service just made for shard {intent.shard} of {self._job.uri}, is claimed by "
                f"another job: {self._job.claim_of(batch.id)}. Nothing more is sent. Do two installations share this "
                "storage, or was a claim written by hand?"
            )
        self._record(shard, intent, batch, Submitted(batch=BatchRecord.of(batch)))
        log.info("Shard %d: submitted %s with %d requests.", intent.shard, batch.id, intent.requests)

    def _record(self, shard: ShardRecord, intent: IntentRecord, batch: MessageBatch, outcome: Outcome) -> None:
        """Record the batch of a shard; one that comes too late, or for a replaced job, is canceled."""
        is_recorded = self._conclude(intent, outcome)
        abandonment = self._job.abandonment()
        if is_recorded and (abandonment is None or abandonment.keeps_batches):
            return
        known = self._job.shard_state(shard).batch
        if is_recorded or known is None or known.batch_id != batch.id:
            self._cancel_surplus(batch.id, shard)

    def _settle(self, shard: ShardRecord, intent: IntentRecord) -> NextLook | None:
        """Look for the batch of an intent; None once it has its outcome."""
        try:
            decision = self._settler.look(intent)
        except ApiError as error:
            return self._look_again(intent, error)
        if self._job.outcome_of(intent) is not None:
            # Settled by another attempt while we looked: a batch that was listed may be of a later intent.
            return None
        if isinstance(decision, Adopt):
            return self._adopt(shard, intent, decision)
        if isinstance(decision, DeclareVoid):
            self._conclude(intent, Void(reason="the service shows no batch that could be this shard's"))
            return None
        if isinstance(decision, WaitToSettle):
            wait = decision.until - self._service_clock.now()
            reason = f"shard {intent.shard}: whether its create call made a batch is not known yet"
            return NextLook(until=self._clock.now() + wait, batch_ids=decision.batch_ids, reason=reason)
        assert isinstance(decision, GiveUp)  # noqa: S101 - narrows the type; Settler carries out Prove itself
        raise self._unknown(
            intent, f"{', '.join(decision.batch_ids)} may hold it, but what would prove it cannot be read."
        )

    def _look_again(self, intent: IntentRecord, error: ApiError) -> NextLook:
        """A look that failed decides nothing; it is repeated until a batch of the call would long be gone."""
        if self._service_clock.now() > moment(intent.at) + LONGEST_LIFE:
            raise self._unknown(intent, f"The service could not be asked what came of it: {error}") from error
        log.warning("Shard %d of %s is in doubt, and a look failed: %s", intent.shard, self._job.uri, error)
        return NextLook(
            until=self._clock.now() + _FAILED_LOOK_PAUSE,
            batch_ids=(),
            reason=f"shard {intent.shard}: whether its create call made a batch could not be asked ({error})",
        )

    def _adopt(self, shard: ShardRecord, intent: IntentRecord, decision: Adopt) -> NextLook | None:
        batch = decision.batch
        if not self._job.claim(batch.id, intent.shard):
            self._settler.note_foreign(batch.id, intent.shard)
            return self._settle(shard, intent)
        duplicates = tuple(duplicate.id for duplicate in decision.duplicates)
        self._record(shard, intent, batch, Adopted(batch=BatchRecord.of(batch), duplicates=duplicates))
        log.info("Shard %d: found its batch %s; nothing was sent again.", intent.shard, batch.id)
        known = self._job.shard_state(shard).batch
        for duplicate in duplicates:
            if known is None or duplicate != known.batch_id:
                self._job.claim(duplicate, intent.shard)
                self._cancel_surplus(duplicate, shard)
        return None

    def _cancel_surplus(self, batch_id: str, shard: ShardRecord) -> None:
        log.error(
            "%s holds shard %d of %s, which has another batch or is no longer wanted. It is canceled; what it had "
            "finished is billed without need.",
            batch_id, shard.shard, self._job.uri,
        )  # fmt: skip
        try:
            cancel_if_in_progress(self._service, batch_id)
        except ApiError as error:
            log.error("%s could not be canceled: %s", batch_id, error)  # noqa: TRY400 - the message says it all

    def _conclude(self, intent: IntentRecord, outcome: Outcome) -> bool:
        at = self._service_clock.now().to_iso8601_string()
        return self._job.record_outcome(
            OutcomeRecord(shard=intent.shard, attempt=intent.attempt, at=at, outcome=outcome)
        )

    def _other_attempt(self, shard: ShardRecord) -> NextLook:
        return NextLook(
            until=self._clock.now() + _OTHER_ATTEMPT_LOOK,
            batch_ids=(),
            reason=f"shard {shard.shard}: another attempt of this task is sending it",
        )

    def _unknown(self, intent: IntentRecord, why: str) -> SubmissionOutcomeUnknownError:
        return SubmissionOutcomeUnknownError(
            f"Shard {intent.shard} of {self._job.uri} was sent at {intent.at}, and its answer was lost. {why} Nothing "
            "is sent again on a doubt; all other shards have been seen to. Look at the batches of that time in the "
            f"Claude Console: the shard has {intent.requests:,} requests, and their custom_ids begin with "
            f"{custom_id_prefix(self._description.nonce, intent.shard)!r}. Then settle it by hand: python -m "
            f"anthropic_batches_provider settle '{self._job.uri}' --shard {intent.shard} --adopt BATCH, or --none.",
            shard=intent.shard,
        )


def submitted_summary(job: JobFolder) -> str:
    """Return what of a job is already paid for, for the message of an error."""
    states = job.shards()
    known = [batch.batch_id for state in states if (batch := state.batch) is not None]
    doubts = sum(state.open_intent is not None for state in states)
    summary = f"of the {len(states)} shards of {job.uri}, {len(known)} are submitted and billed as they run"
    named = f" ({', '.join(known[:5])}{', …' if len(known) > 5 else ''})" if known else ""
    return f"{summary}{named}, {doubts} are in doubt; a retry goes on with the rest."
