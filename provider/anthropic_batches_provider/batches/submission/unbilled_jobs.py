"""Whether a job may have cost anything: one that cost nothing is replaced without asking, once its input is corrected.

It is known to have cost nothing only if all that it sent has ended and was read, and no row succeeded, was unreadable,
or got no result. Anything else counts as paid.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

from anthropic_batches_provider.batches.clock import Clock
from anthropic_batches_provider.batches.ledger import Adopted, JobFolder, ShardState
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.results import ExpectedRows, spooled_results
from anthropic_batches_provider.batches.service import ResultsSource
from anthropic_batches_provider.batches.sharding import custom_id_prefix
from anthropic_batches_provider.errors import (
    BatchNotFoundError,
    ResultsStreamError,
    ResultsUnavailableError,
    UnexpectedAnswerError,
)

_UNBILLED = frozenset(("errored", "canceled", "expired"))


def may_have_cost(
    job: JobFolder, states: Sequence[ShardState], service: ResultsSource, *, clock: Clock, spool_folder: Path
) -> bool:
    """Return whether a job was billed for a row, or may have been, or may be yet.

    What a complete collection has recorded is not read again; the results of other batches that have ended are.

    :param states: the shards of all its rounds, from one listing of the ledger that is not older than the decision.
    :param spool_folder: a local folder of this attempt alone.
    :raises ApiError: the service could not be asked.
    """
    if any(state.open_intent is not None or _was_adopted(state) for state in states):
        return True
    sent = [state for state in states if state.batch is not None]
    if not sent:
        return False
    collection = job.last_collection()
    if collection is not None and collection.shards == len(states) and collection.billed_rows is not None:
        return collection.billed_rows > 0 or any(_may_have_succeeded(state) for state in sent)
    ended: list[tuple[ShardState, MessageBatch]] = []
    for state in sent:  # first ask about all: one that runs decides without a download
        batch = _ended_without_success(state, service)
        if batch is None:
            return True
        ended.append((state, batch))
    first = len(job.first_seal().part_shards)
    for state, batch in ended:
        rows = _rows_of(job, state, is_of_first_round=state.shard.shard < first)
        if _shows_a_bill(batch, _expected(job, state, rows), service, clock, spool_folder):
            return True
    return False


def _was_adopted(state: ShardState) -> bool:
    """Return whether the answer to a create call was lost: a second batch of it may have been delivered, unnoticed."""
    outcomes = (attempt.outcome.outcome for attempt in state.attempts if attempt.outcome is not None)
    return any(isinstance(outcome, Adopted) for outcome in outcomes)


def _may_have_succeeded(state: ShardState) -> bool:
    """Return whether the service itself counted succeeded requests, or is not known to have counted none."""
    return state.end is None or state.end.request_counts.get("succeeded", 0) > 0


def _ended_without_success(state: ShardState, service: ResultsSource) -> MessageBatch | None:
    """Return the batch of a shard, as the service describes it, if it has ended and no request succeeded."""
    assert state.batch is not None  # noqa: S101 - the caller has checked it
    try:
        batch = service.retrieve(state.batch.batch_id)
    except BatchNotFoundError:
        return None
    agrees = batch.ended_with(state.shard.requests)
    return batch if agrees and not batch.request_counts.succeeded else None


def _rows_of(job: JobFolder, state: ShardState, *, is_of_first_round: bool) -> Sequence[int]:
    shard = state.shard
    if is_of_first_round:
        return range(shard.first_row, shard.first_row + shard.rows)
    return array("q", (int(line) for line in job.lines_of(shard.rows_file)))


def _expected(job: JobFolder, state: ShardState, rows: Sequence[int]) -> ExpectedRows:
    prefix = custom_id_prefix(job.description().nonce, state.shard.shard)
    return ExpectedRows(custom_id_prefix=prefix, rows=rows, invalid_rows=state.shard.unsent_rows)


def _shows_a_bill(
    batch: MessageBatch, expected: ExpectedRows, service: ResultsSource, clock: Clock, spool_folder: Path
) -> bool:
    """Read the results of a batch; return whether they show, or leave open, that a row was billed."""
    path = spool_folder / f"bill-{batch.id}"
    try:
        with spooled_results(service, batch, path, expected=expected, clock=clock) as results:
            found = (result for result in results.decoded(with_message=False) if result is not None)
            unbilled = sum(result.result_type in _UNBILLED for result in found)
            return unbilled < expected.requests or results.foreign > 0 or results.duplicates > 0
    except (ResultsUnavailableError, ResultsStreamError, UnexpectedAnswerError):
        return True
