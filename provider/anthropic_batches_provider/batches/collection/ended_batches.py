"""Checks that batches have ended: asks the service about each one before anything is fetched."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.ledger import EndRecord, JobFolder, ShardState
from anthropic_batches_provider.batches.limits import EXPIRY_GRACE
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts, moment
from anthropic_batches_provider.batches.pauses import once_known
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.service import ResultsSource, RetrieveService
from anthropic_batches_provider.errors import (
    BatchesNotEndedError,
    BatchNotFoundError,
    ResultsUnavailableError,
    UnexpectedAnswerError,
)

log = logging.getLogger(__name__)


def ended_batches_of(job: JobFolder, source: ResultsSource, clock: Clock) -> list[MessageBatch]:
    """Return the batch of each shard, in order; a batch that was seen to end before is not asked for again."""
    states = job.shards()
    batches = [batch_of(state) or _looked_at(job, state, source, clock) for state in states if state.batch is not None]
    running = tuple(batch.id for batch in batches if not batch.has_ended)
    unsent = [state.shard.shard for state in states if state.batch is None]
    if unsent:
        missing = f"{'shard' if len(unsent) == 1 else 'shards'} {_listed(map(str, unsent))}"
        raise BatchesNotEndedError(
            f"The job at {job.uri} is not submitted completely: of {counted(len(states), 'shard')}, {len(unsent):,} "
            f"had no batch yet ({missing}), and {counted(len(running), 'batch')} had not ended."
            f"{' The rest of the job waits for its pilot.' if job.awaited_pilot() else ''} Let the submitting "
            "task finish, wait until the batches have ended, e.g. with MessageBatchSensor, and collect then. If that "
            "task failed, run it again: it does not submit again what was submitted. "
            f"{_NOTHING_COLLECTED}",
            batch_ids=running,
        )
    check_ended(batches)
    return batches


def batch_of(state: ShardState) -> MessageBatch | None:
    """Return the batch of a shard from the ledger if it was seen to end; else None."""
    if state.batch is None or state.end is None:
        return None
    return MessageBatch(
        id=state.batch.batch_id,
        processing_status="ended",
        request_counts=RequestCounts.from_api(state.end.request_counts),
        created_at=moment(state.batch.created_at),
        expires_at=moment(state.batch.expires_at),
        ended_at=None if state.end.ended_at is None else moment(state.end.ended_at),
    )


def _looked_at(job: JobFolder, state: ShardState, source: ResultsSource, clock: Clock) -> MessageBatch:
    assert state.batch is not None  # noqa: S101 - narrows the type; the caller has checked
    batch = retrieve(state.batch.batch_id, source, clock)
    if batch.has_ended:
        agrees = batch.ended_with(state.shard.requests)
        if clock.now() < moment(state.batch.expires_at) + EXPIRY_GRACE:
            _check_counts(batch, agrees, counted(state.shard.requests, "request"))
        if agrees:
            job.record_end(EndRecord.of(batch, shard=state.shard.shard))
        else:  # nothing of it can run any more: the results themselves show whether they are complete
            log.warning("%s has ended, with %s; its results decide.", batch.id, batch.request_counts)
    return batch


def check_whole(batch: MessageBatch) -> None:
    """Check the counts of an ended batch whose requests nobody else knows.

    :raises UnexpectedAnswerError: they are not known, or some are still processing.
    """
    _check_counts(batch, batch.ended_with(batch.request_counts.total), "all of its requests")


def _check_counts(batch: MessageBatch, agrees: bool, requests: str) -> None:
    if not agrees:
        raise UnexpectedAnswerError(
            f"The answer says that {batch.id} has ended, with {batch.request_counts} instead of {requests}. Run the "
            f"task again: it asks again. {_NOTHING_COLLECTED}"
        )


def check_ended(batches: Sequence[MessageBatch]) -> None:
    running = [batch for batch in batches if not batch.has_ended]
    if running:
        named = _listed(f"{batch.id} ({batch.processing_status})" for batch in running)
        raise BatchesNotEndedError(
            f"{len(running):,} of {counted(len(batches), 'batch')} had not ended: {named}. Wait until all have ended, "
            f"e.g. with MessageBatchSensor, and collect then. {_NOTHING_COLLECTED} Running batches continue, and "
            "requests that succeed in them will be billed.",
            batch_ids=tuple(batch.id for batch in running),
        )


def retrieve(batch_id: str, source: RetrieveService, clock: Clock) -> MessageBatch:
    """Return a batch; a batch that the service does not know is looked for again after 2, 10 and 30 seconds.

    :raises ResultsUnavailableError: the service does not know it.
    """
    try:
        return once_known(lambda: source.retrieve(batch_id), clock.sleep)
    except BatchNotFoundError as error:
        raise ResultsUnavailableError(
            f"The API does not know batch {batch_id} ({error}). Compare the connection with the one that submitted the "
            "batch, and look the batch up in the Claude Console. Likely causes: the connection's key belongs to "
            "another workspace than the batch, the batch was deleted, or its id is misspelled. Nothing was published, "
            "and asking costs nothing."
        ) from error


_NOTHING_COLLECTED = "This call collected and published nothing, and cost nothing."
_NAMED = 10


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    rest = f" and {len(every) - _NAMED:,} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + rest
