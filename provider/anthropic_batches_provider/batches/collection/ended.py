"""Whether there is anything to collect yet: asked of the service, batch by batch, before anything is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anthropic_batches_provider.batches.ledger import JobFolder
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.results import ResultsSource
from anthropic_batches_provider.errors import BatchesNotEndedError, BatchNotFoundError, ResultsUnavailableError


def ended_batches_of(job: JobFolder, source: ResultsSource) -> list[MessageBatch]:
    """Return the batch of each shard, in order."""
    states = job.shards()
    records = [state.batch for state in states]
    batches = [retrieve(record.batch_id, source) for record in records if record is not None]
    running = tuple(batch.id for batch in batches if not batch.has_ended)
    unsent = [state.shard.shard for state, record in zip(states, records, strict=True) if record is None]
    if unsent:
        raise BatchesNotEndedError(
            f"{len(unsent):,} of {len(states):,} shards of the job at {job.uri} have no batch yet (shards "
            f"{_listed(map(str, unsent))}), and {len(running):,} batches have not ended. {_NOTHING_COLLECTED} Let the "
            "submitting task finish (run it again if it failed: what was submitted is not submitted again), wait until "
            "the batches have ended, e.g. by MessageBatchSensor, and collect then.",
            batch_ids=running,
        )
    check_ended(batches)
    return batches


def check_ended(batches: Sequence[MessageBatch]) -> None:
    running = [batch for batch in batches if not batch.has_ended]
    if running:
        named = _listed(f"{batch.id} ({batch.processing_status})" for batch in running)
        raise BatchesNotEndedError(
            f"{len(running):,} of {len(batches):,} batches have not ended: {named}. {_NOTHING_COLLECTED} They run on "
            "and what succeeds in them will be billed. Wait until they have ended, e.g. by MessageBatchSensor, and "
            "collect then.",
            batch_ids=tuple(batch.id for batch in running),
        )


def retrieve(batch_id: str, source: ResultsSource) -> MessageBatch:
    try:
        return source.retrieve(batch_id)
    except BatchNotFoundError as error:
        raise ResultsUnavailableError(
            f"The API does not know batch {batch_id} ({error}). Likely causes: the connection's key belongs to another "
            "workspace than the one that submitted it, the batch was deleted, or its id is misspelled. Nothing was "
            "published, and nothing is billed by asking. Compare the connection with the one that submitted, and look "
            "the batch up in the Claude Console."
        ) from error


_NOTHING_COLLECTED = "Nothing was collected, published or paid by this call."
_NAMED = 10


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    rest = f" and {len(every) - _NAMED:,} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + rest
