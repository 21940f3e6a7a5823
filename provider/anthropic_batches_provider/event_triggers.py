"""Reports to Airflow each message batch that ends, by whomever it was created: for DAGs scheduled on an asset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from anthropic_batches_provider.batches.message_batch import RESULT_TYPES
from anthropic_batches_provider.edge.arguments import check_choice
from anthropic_batches_provider.edge.connection_form import DEFAULT_CONN_ID
from anthropic_batches_provider.edge.ended_batch_watch import AssetMemory, EndedBatchWatch, ProcessMemory, asset_stores
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.message_batch import MessageBatch
    from anthropic_batches_provider.edge.ended_batch_watch import ListsBatches, Memory

__all__ = ["MessageBatchEventTrigger"]


class MessageBatchEventTrigger(BaseEventTrigger):
    """Fires for each message batch of a workspace that ends; for ``AssetWatcher(name, trigger=…)``, not for tasks.

    The event is ``{"batch_id", "conn_id", "request_counts", "created_at", "ended_at"}``, with times in ISO 8601.

    The first time it runs for an asset, it does not report batches that have already ended. From then on, Airflow 3.3
    and later store with the asset which batches were reported. After a restart of the triggerer, the trigger reports
    the batches that ended in the meantime. It does not report a batch twice, unless the triggerer went down within
    seconds after a report. Airflow below 3.3 stores nothing: each start of the trigger is a first time.

    :param conn_id: the Airflow connection. The trigger watches its key's workspace, with all batches that anyone
        creates in it.
    :param poll_interval: time between two checks of the list of batches, in seconds.
    :param with_results: report only batches with at least one request that ended with one of these result types:
        ``succeeded``, ``errored``, ``canceled``, ``expired``. Default: report all.
    :raises ConfigurationError: an argument is invalid.
    """

    def __init__(
        self,
        conn_id: str = DEFAULT_CONN_ID,
        poll_interval: float = 60,
        with_results: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if poll_interval <= 0:
            raise ConfigurationError(f"poll_interval= must be more than 0 seconds, not {poll_interval!r}.")
        for result_type in with_results:
            check_choice("with_results", result_type, *RESULT_TYPES)
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.with_results = sorted(set(with_results))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"conn_id": self.conn_id, "poll_interval": self.poll_interval, "with_results": self.with_results},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check, report and pause, forever."""
        watch = EndedBatchWatch(self._connect, self._memory(), poll_interval=self.poll_interval)
        async with aclosing(watch.batches()) as batches:
            async for batch in batches:
                if self._is_wanted(batch):
                    yield TriggerEvent(self._payload(batch))

    def _is_wanted(self, batch: MessageBatch) -> bool:
        counts = batch.request_counts.as_dict()
        return not self.with_results or any(counts[result_type] for result_type in self.with_results)

    def _payload(self, batch: MessageBatch) -> dict[str, Any]:
        return {
            "batch_id": batch.id,
            "conn_id": self.conn_id,
            "request_counts": batch.request_counts.as_dict(),
            "created_at": batch.created_at.isoformat() if batch.created_at is not None else None,
            "ended_at": batch.ended_at.isoformat() if batch.ended_at is not None else None,
        }

    async def _connect(self) -> ListsBatches:
        from anthropic_batches_provider.hooks import MessageBatchHook

        return await MessageBatchHook(self.conn_id).aclient()

    def _memory(self) -> Memory:
        key = "/".join(["anthropic_batches/told", self.conn_id, *self.with_results])
        stores = asset_stores(getattr(self, "asset_state_store", None))
        return AssetMemory(stores, key) if stores else ProcessMemory()
