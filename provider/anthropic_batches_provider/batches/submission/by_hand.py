"""Settles by a person's word what the service cannot prove; checks what can be checked all the same."""

from __future__ import annotations

from anthropic_batches_provider.batches.clock import SERVICE_CLOCK_SKEW, ServiceClock
from anthropic_batches_provider.batches.ledger import Adopted, BatchRecord, IntentRecord, JobFolder, OutcomeRecord, Void
from anthropic_batches_provider.batches.ledger.records import Outcome
from anthropic_batches_provider.batches.message_batch import moment
from anthropic_batches_provider.batches.service import SettlingService
from anthropic_batches_provider.batches.submission.settlement_rules import Proof
from anthropic_batches_provider.batches.submission.settler import Settler, settles_at
from anthropic_batches_provider.errors import ConfigurationError


def open_intents(job: JobFolder) -> list[IntentRecord]:
    """Return the create calls of a job whose outcome is not known."""
    return [intent for state in job.shards() if (intent := state.open_intent) is not None]


def adopt_by_hand(
    job: JobFolder, intent: IntentRecord, batch_id: str, *, service: SettlingService, service_clock: ServiceClock
) -> None:
    """Record that a batch is the one that a create call made.

    :raises ConfigurationError: the batch cannot be it: another size, older than the call, another job's, or its
        first result is not ours.
    """
    batch = service.retrieve(batch_id)
    if batch.request_counts.total != intent.requests:
        raise ConfigurationError(
            f"{batch_id} has {batch.request_counts.total:,} requests, and shard {intent.shard} has "
            f"{intent.requests:,}: it is another batch. Nothing was recorded."
        )
    if batch.created_at < moment(intent.at) - SERVICE_CLOCK_SKEW:
        raise ConfigurationError(
            f"{batch_id} was created at {batch.created_at}, before shard {intent.shard} was sent at {intent.at}: it is "
            "another batch. Nothing was recorded."
        )
    settler = Settler(job, service, nonce=job.description().nonce, service_now=service_clock.now)
    if batch.has_ended and settler.prove(batch_id, intent) is Proof.FOREIGN:
        raise ConfigurationError(f"The first result of {batch_id} is not of this job. Nothing was recorded.")
    if not job.claim(batch_id, intent.shard):
        raise ConfigurationError(f"{batch_id} belongs to {job.claim_of(batch_id)}. Nothing was recorded.")
    _conclude(job, intent, Adopted(batch=BatchRecord.of(batch)), service_clock)


def void_by_hand(job: JobFolder, intent: IntentRecord, *, service_clock: ServiceClock) -> None:
    """Record that a create call made no batch, so that the next attempt sends its shard again.

    :raises ConfigurationError: it is so recent that a batch may still appear.
    """
    until = settles_at(intent)
    if service_clock.now() < until:
        raise ConfigurationError(
            f"Shard {intent.shard} was sent at {intent.at}, and a batch of it may still appear until {until}. Wait "
            "until then: to say now that there is none could pay twice. Nothing was recorded."
        )
    _conclude(job, intent, Void(reason="settled by hand: there is no batch"), service_clock)


def _conclude(job: JobFolder, intent: IntentRecord, outcome: Outcome, service_clock: ServiceClock) -> None:
    at = service_clock.now().to_iso8601_string()
    if not job.record_outcome(OutcomeRecord(shard=intent.shard, attempt=intent.attempt, at=at, outcome=outcome)):
        raise ConfigurationError(
            f"Shard {intent.shard} was settled by another attempt meanwhile. Nothing was recorded."
        )
