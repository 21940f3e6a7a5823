"""Settles create calls whose answer was lost, by carrying out the settlement rules. Nothing is sent here."""

from __future__ import annotations

import logging

import pendulum

from anthropic_batches_provider.batches.clock import Clock, Stopwatch
from anthropic_batches_provider.batches.ledger import Adopted, BatchRecord, IntentRecord, JobFolder, ShardRecord, Void
from anthropic_batches_provider.batches.limits import LONGEST_LIFE
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.service import SettlingService
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.batches.submission.next_look import NextLook
from anthropic_batches_provider.batches.submission.outcomes import OutcomeRecorder
from anthropic_batches_provider.batches.submission.service_time import ServiceTime
from anthropic_batches_provider.batches.submission.settlement_rules import Adopt, DeclareVoid, GiveUp, WaitToSettle
from anthropic_batches_provider.batches.submission.settler import Settler, settles_at
from anthropic_batches_provider.errors import ApiError, SubmissionOutcomeUnknownError

log = logging.getLogger(__name__)

_FAILED_LOOK_PAUSE = pendulum.duration(minutes=5)
_JUST_ASKED = pendulum.duration(seconds=5)


class LostAnswers:
    """Settles the open intents of one job.

    :param nonce: the job's.
    :param clock: the local clock.
    :param time: the service's time. It is asked again before a check: the call before it may have taken long, and this
        machine's clock may have been set meanwhile. A clock set forward would void an unresolved call at once.
    """

    def __init__(
        self,
        job: JobFolder,
        service: SettlingService,
        outcomes: OutcomeRecorder,
        *,
        nonce: str,
        clock: Clock,
        time: ServiceTime,
    ) -> None:
        self._job = job
        self._outcomes = outcomes
        self._nonce = nonce
        self._clock = clock
        self._time = time
        self._settler = Settler(job, service, nonce=nonce, service_now=time.now)
        self._sent: dict[tuple[int, int], Stopwatch] = {}

    def note_sent(self, intent: IntentRecord) -> None:
        """Note that this process is making the create call of an intent now."""
        self._sent[intent.shard, intent.attempt] = Stopwatch(self._clock)

    def settle(self, shard: ShardRecord, intent: IntentRecord) -> NextLook | None:
        """Search for the batch of an intent, and record the outcome once it is known.

        :returns: None once the intent has its outcome; else what to wait for.
        :raises SubmissionOutcomeUnknownError: nothing will ever prove the outcome.
        """
        try:
            self._time.refresh_if_old()
            if self._time.now() >= settles_at(intent):
                self._time.refresh_if_old(_JUST_ASKED)  # a call is declared void only by the service's own word
            early = self._too_early(intent)  # measured before the listing, which shows only what existed then
            decision = self._settler.look(intent)
        except ApiError as error:
            return self._look_again(intent, error)
        if self._job.outcome_of(intent) is not None:
            # Another attempt settled it during the check: a listed batch may belong to a later intent.
            return None
        if isinstance(decision, Adopt):
            return self._adopt(shard, intent, decision)
        if isinstance(decision, DeclareVoid) and early is not None:
            return early
        if isinstance(decision, DeclareVoid):
            self._outcomes.conclude(intent, Void(reason="the service shows no batch that could be this shard's"))
            return None
        if isinstance(decision, WaitToSettle):
            wait = decision.until - self._time.now()
            reason = f"shard {intent.shard}: it is not known yet whether its create call made a batch"
            return NextLook(until=self._clock.now() + wait, batch_ids=decision.batch_ids, reason=reason)
        assert isinstance(decision, GiveUp)  # noqa: S101 - narrows the type; Settler carries out Prove itself
        raise self._unknown(
            intent,
            f"The shard may be in {', '.join(decision.batch_ids)}, but the results that would prove it cannot be read.",
        )

    def _too_early(self, intent: IntentRecord) -> NextLook | None:
        """Return what to wait for if this process sent the call itself, and less time has passed by its own clocks."""
        sent = self._sent.get((intent.shard, intent.attempt))
        settles_after = pendulum.duration(seconds=intent.settles_after_seconds)
        if sent is None or sent.at_least() >= settles_after:
            return None
        return NextLook(
            until=self._clock.now() + (settles_after - sent.at_least()),
            batch_ids=(),
            reason=f"shard {intent.shard}: the service's clock has run ahead since its create call",
        )

    def _look_again(self, intent: IntentRecord, error: ApiError) -> NextLook:
        """Return when to repeat a failed check, which decides nothing.

        :raises SubmissionOutcomeUnknownError: so much time has passed that a batch of the call would long be gone.
        """
        if self._time.now() > moment(intent.at) + LONGEST_LIFE:
            raise self._unknown(intent, f"The service could not be asked for the outcome: {error}") from error
        log.warning(
            "Shard %d of %s: its create call is unresolved, and a check for its batch failed; the check is repeated: "
            "%s",
            intent.shard, self._job.uri, error,
        )  # fmt: skip
        return NextLook(
            until=self._clock.now() + _FAILED_LOOK_PAUSE,
            batch_ids=(),
            reason=f"shard {intent.shard}: the service could not say whether its create call made a batch ({error})",
        )

    def _adopt(self, shard: ShardRecord, intent: IntentRecord, decision: Adopt) -> NextLook | None:
        batch = decision.batch
        if not self._job.claims.claim(batch.id, intent.shard):
            self._settler.note_foreign(batch.id, intent.shard)
            return self.settle(shard, intent)
        duplicates = tuple(duplicate.id for duplicate in decision.duplicates)
        adopted = Adopted(batch=BatchRecord.of(batch, sent_at=intent.at), duplicates=duplicates)
        self._outcomes.record_batch(shard, intent, batch, adopted)
        log.info("Shard %d: found its batch %s; nothing was sent again.", intent.shard, batch.id)
        known = self._job.shard_state(shard).batch
        for duplicate in duplicates:
            if known is None or duplicate != known.batch_id:
                self._job.claims.claim(duplicate, intent.shard)
                self._outcomes.cancel_surplus(duplicate, shard)
        return None

    def _unknown(self, intent: IntentRecord, why: str) -> SubmissionOutcomeUnknownError:
        return SubmissionOutcomeUnknownError(
            f"Shard {intent.shard} of {self._job.uri} was sent at {intent.at}, and the answer to its create call was "
            f"lost. Search the Claude Console for a batch of that time with {counted(intent.requests, 'request')}, "
            f"whose custom_ids begin with {custom_id_prefix(self._nonce, intent.shard)!r}. Then settle the call "
            f"manually: anthropic-batches settle '{self._job.uri}' --shard {intent.shard} --adopt "
            f"BATCH, or --none if there is no such batch. {why} The shard is not sent again while the outcome is "
            "unknown. All other shards were handled.",
            shard=intent.shard,
        )
