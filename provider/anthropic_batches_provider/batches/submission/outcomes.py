"""Records the outcome of each create call once, and cancels surplus batches of a shard."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pendulum

from anthropic_batches_provider.batches.cancellation import cancel_if_in_progress
from anthropic_batches_provider.batches.ledger import IntentRecord, JobFolder, OutcomeRecord, ShardRecord
from anthropic_batches_provider.batches.ledger.records import Outcome
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.service import CancelService
from anthropic_batches_provider.errors import ApiError

log = logging.getLogger(__name__)


class OutcomeRecorder:
    """Writes outcomes into the ledger of one job.

    :param service_now: returns the service's time.
    """

    def __init__(self, job: JobFolder, service: CancelService, *, service_now: Callable[[], pendulum.DateTime]) -> None:
        self._job = job
        self._service = service
        self._service_now = service_now

    def conclude(self, intent: IntentRecord, outcome: Outcome) -> bool:
        """Record the outcome of a create call; return False if another attempt came first."""
        at = self._service_now().to_iso8601_string()
        return self._job.record_outcome(
            OutcomeRecord(shard=intent.shard, attempt=intent.attempt, at=at, outcome=outcome)
        )

    def record_batch(self, shard: ShardRecord, intent: IntentRecord, batch: MessageBatch, outcome: Outcome) -> None:
        """Record the batch of a shard; cancel it if it comes too late or its job was replaced."""
        is_recorded = self.conclude(intent, outcome)
        if is_recorded and not self._job.replacement.is_abandoned():
            return
        known = self._job.shard_state(shard).batch
        if is_recorded or known is None or known.batch_id != batch.id:
            self.cancel_surplus(batch.id, shard)

    def cancel_surplus(self, batch_id: str, shard: ShardRecord) -> None:
        """Cancel a batch that is proven to be the shard's but is surplus."""
        log.error(
            "%s holds shard %d of %s, which has another batch or is no longer needed. The surplus batch is being "
            "canceled; requests it had finished are billed needlessly.",
            batch_id, shard.shard, self._job.uri,
        )  # fmt: skip
        try:
            cancel_if_in_progress(self._service, batch_id)
        except ApiError as error:
            log.error(  # noqa: TRY400 - the message says it all
                "%s could not be canceled. Cancel it manually, or it may run to its end and be billed: %s",
                batch_id,
                error,
            )
