"""Lets an operator settle what the service cannot prove, and still checks everything that can be checked."""

from __future__ import annotations

from anthropic_batches_provider.batches.clock import SERVICE_CLOCK_SKEW, ServiceClock
from anthropic_batches_provider.batches.ledger import Adopted, BatchRecord, IntentRecord, JobFolder, OutcomeRecord, Void
from anthropic_batches_provider.batches.ledger.records import Outcome
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.service import SettlingService
from anthropic_batches_provider.batches.submission.settlement_rules import Proof
from anthropic_batches_provider.batches.submission.settler import Settler, settles_at
from anthropic_batches_provider.errors import ConfigurationError


def open_intents(job: JobFolder) -> list[IntentRecord]:
    """Return the intents of a job's unresolved create calls."""
    return [intent for state in job.unchecked_shards() if (intent := state.open_intent) is not None]


def adopt_by_hand(
    job: JobFolder, intent: IntentRecord, batch_id: str, *, service: SettlingService, service_clock: ServiceClock
) -> None:
    """Record that a create call made this batch.

    :raises ConfigurationError: the call cannot have made this batch: it has another size, is older than the call, is
        claimed by another job or shard, or its first result is not ours.
    """
    batch = service.retrieve(batch_id)
    if not batch.request_counts.are_known or batch.created_at is None:
        raise ConfigurationError(
            f"The API does not say how many requests {batch_id} has, or when it was created: {batch}. Look again "
            "later. Nothing was recorded."
        )
    if batch.request_counts.total != intent.requests:
        raise ConfigurationError(
            f"{batch_id} has {counted(batch.request_counts.total, 'request')}, but shard {intent.shard} has "
            f"{intent.requests:,}: it is another batch. Check the batch id in the Claude Console. Nothing was recorded."
        )
    if batch.created_at < moment(intent.at) - SERVICE_CLOCK_SKEW:
        raise ConfigurationError(
            f"{batch_id} was created at {batch.created_at}, before shard {intent.shard} was sent at {intent.at}: it is "
            "another batch. Check the batch id in the Claude Console. Nothing was recorded."
        )
    settler = Settler(job, service, nonce=job.description().nonce, service_now=service_clock.now)
    if batch.has_ended and settler.prove(batch_id, intent) is Proof.FOREIGN:
        raise ConfigurationError(
            f"The first result of {batch_id} does not belong to this shard: it is another batch. Check the batch id in "
            "the Claude Console. Nothing was recorded."
        )
    if not job.claims.claim(batch_id, intent.shard):
        raise ConfigurationError(
            f"{batch_id} already belongs to {_owner(job, batch_id)}. Check the batch id in the Claude Console. Nothing "
            "was recorded."
        )
    _conclude(job, intent, Adopted(batch=BatchRecord.of(batch, sent_at=intent.at)), service_clock)


def void_by_hand(job: JobFolder, intent: IntentRecord, *, service_clock: ServiceClock) -> None:
    """Record that a create call made no batch, so that the next attempt sends its shard again.

    :raises ConfigurationError: the call is so recent that its batch may still appear, or the ledger knows of the end of
        a batch of the shard.
    """
    ended = next((state.end for state in job.unchecked_shards() if state.shard.shard == intent.shard), None)
    if ended is not None:
        raise ConfigurationError(
            f"The ledger says that {ended.batch_id} of shard {intent.shard} has ended, so there is a batch. Record it: "
            f"--adopt {ended.batch_id}. Nothing was recorded: sending the shard again would pay for it twice."
        )
    until = settles_at(intent)
    if service_clock.now() < until:
        raise ConfigurationError(
            f"Shard {intent.shard} was sent at {intent.at}, and its batch may still appear until {until}. Run this "
            "again after that moment: recording now that there is no batch could pay twice. Nothing was recorded."
        )
    _conclude(job, intent, Void(reason="settled by hand: there is no batch"), service_clock)


def _conclude(job: JobFolder, intent: IntentRecord, outcome: Outcome, service_clock: ServiceClock) -> None:
    at = service_clock.now().to_iso8601_string()
    if not job.record_outcome(OutcomeRecord(shard=intent.shard, attempt=intent.attempt, at=at, outcome=outcome)):
        raise ConfigurationError(
            f"Another attempt settled shard {intent.shard} meanwhile. Do not settle it again. The outcome that the "
            "other attempt recorded stays. A batch given with --adopt stays claimed for this shard."
        )


def _owner(job: JobFolder, batch_id: str) -> str:
    claim = job.claims.claim_of(batch_id)
    return "another shard" if claim is None else f"shard {claim.shard} of {claim.job}"
