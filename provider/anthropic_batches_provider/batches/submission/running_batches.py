"""Tracks which batches of a job have not ended yet; it notes each end in the ledger and never asks for it again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pendulum

from anthropic_batches_provider.batches.clock import SERVICE_CLOCK_SKEW, Clock
from anthropic_batches_provider.batches.ledger import BatchRecord, EndRecord, JobFolder, ShardRecord, ShardState
from anthropic_batches_provider.batches.limits import BATCH_EXPIRES_AFTER, EXPIRY_GRACE
from anthropic_batches_provider.batches.message_batch import MessageBatch, moment
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.service import LookingService
from anthropic_batches_provider.batches.submission.settler import settles_at
from anthropic_batches_provider.errors import ApiConnectionError, ApiError

log = logging.getLogger(__name__)

_LISTED_FROM = 10  # batches: fewer are retrieved one by one
_BETWEEN_RUNNING_LOOKS = pendulum.duration(seconds=10)


class RunningBatches:
    """Checks the batches of a job that are not known to have ended.

    A failed check changes nothing: the batch counts as running until it is seen to have ended, or is long expired.

    :param service_now: returns the service's time, by which batches expire.
    """

    def __init__(
        self,
        job: JobFolder,
        service: LookingService,
        *,
        clock: Clock,
        service_now: Callable[[], pendulum.DateTime],
    ) -> None:
        self._job = job
        self._service = service
        self._clock = clock
        self._service_now = service_now
        self._looked_at: pendulum.DateTime | None = None

    def look(self) -> bool:
        """Check all of them and note which have ended; skip a check within 10 s of the last one.

        :returns: whether any batch was newly seen to have ended.
        """
        now = self._clock.now()
        if self._looked_at is not None and pendulum.duration() <= now - self._looked_at < _BETWEEN_RUNNING_LOOKS:
            return False
        self._looked_at = now
        states = self._job.known_shards()
        running = {state.batch.batch_id: state for state in states if state.is_running and state.batch}
        found = False
        for batch in self._seen(running):
            if batch.has_ended and batch.id in running:
                found |= self._note_end(batch, running[batch.id].shard)
        return found

    def _note_end(self, batch: MessageBatch, shard: ShardRecord) -> bool:
        if not batch.ended_with(shard.requests):
            log.warning(
                "Shard %d: an answer says that %s has ended, with %s instead of %s; it is asked again later.",
                shard.shard, batch.id, batch.request_counts, counted(shard.requests, "request"),
            )  # fmt: skip
            return False
        self._job.record_end(EndRecord.of(batch, shard=shard.shard))
        log.info("Shard %d: %s has ended: %s", shard.shard, batch.id, batch.request_counts)
        return True

    def is_in_queue(self, state: ShardState) -> bool:
        """Return whether a shard may occupy the account's queue: its batch is running, or a batch of it may exist."""
        if state.batch is not None:
            return state.end is None and self._service_now() < moment(state.batch.expires_at) + EXPIRY_GRACE
        intent = state.open_intent
        return intent is not None and self._service_now() < settles_at(intent) + BATCH_EXPIRES_AFTER + EXPIRY_GRACE

    def _seen(self, running: dict[str, ShardState]) -> Iterator[MessageBatch]:
        unseen = list(running)
        if len(running) >= _LISTED_FROM:
            listed = self._listed(running)
            yield from listed
            shown = {batch.id for batch in listed}
            unseen = [batch_id for batch_id in running if batch_id not in shown]
        for batch_id in unseen[:_LISTED_FROM]:
            try:
                yield self._service.retrieve(batch_id)
            except ApiConnectionError as error:
                log.warning("%s could not be checked; it continues to run: %s", batch_id, error)
                return
            except ApiError as error:
                log.warning("%s of %s could not be checked: %s", batch_id, self._job.uri, error)

    def _listed(self, running: dict[str, ShardState]) -> list[MessageBatch]:
        """Return the batches that a listing shows; if it fails, those it showed before."""
        born = min(moment(state.batch.created_at) for state in running.values() if state.batch is not None)
        found: list[MessageBatch] = []
        try:
            for batch in self._service.list():
                if batch.created_at is not None and batch.created_at < born - SERVICE_CLOCK_SKEW:
                    break
                if batch.id in running:
                    found.append(batch)
        except ApiError as error:
            log.warning("The batches of %s could not be listed; they continue to run: %s", self._job.uri, error)
        return found


def running_ids(states: list[ShardState]) -> tuple[str, ...]:
    """Return the ids of the batches not known to have ended, in order of their shards."""
    found: list[BatchRecord] = [state.batch for state in states if state.is_running and state.batch is not None]
    return tuple(batch.batch_id for batch in found)
