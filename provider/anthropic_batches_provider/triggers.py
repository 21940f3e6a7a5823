"""Waits for message batches in the triggerer: asynchronously, without a thread, without deciding about money.

This module is imported on the triggerer's event loop: it imports nothing heavy, and the SDK is first imported in a
thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent

from anthropic_batches_provider.kill_policy import is_over_async

if TYPE_CHECKING:
    import pendulum

    from anthropic_batches_provider.batches.client import AsyncMessageBatchClient
    from anthropic_batches_provider.batches.polling import BatchWait

log = logging.getLogger(__name__)

_KILL_SECONDS = 28.0  # of the 30 that [triggerer] on_kill_timeout grants by default


class MessageBatchTrigger(BaseTrigger):
    """Fires once when batches have ended, or when a moment has come.

    The event is a small dict: ``outcome`` is ``"ended"`` or ``"deadline"``, ``batch_ids`` what was waited for,
    ``ended`` the
    ids that have ended, ``still_running`` a sentence for each of the others, ``request_counts`` the sum over the ended.

    Failed looks (network, 401, 404, 5xx) never end the wait and never touch a batch. Airflow stores these arguments in
    clear text: ids and numbers only.

    :param batch_ids: message batches to wait for; empty to wait for the deadline alone.
    :param conn_id: the Airflow connection.
    :param poll_interval: longest time between two looks at a batch, in seconds.
    :param deadline: moment at which to stop waiting, seconds since the epoch; None for none.
    :param wait_for: ``all`` batches, or ``any`` one.
    :param cancel_on_kill: batches to cancel when the task is killed for good while it waits: marked failed or success,
        or its run ended. Cleared or moved to another triggerer, it leaves them. Airflow 3.3 and later; default none.
    """

    def __init__(
        self,
        batch_ids: Sequence[str],
        conn_id: str,
        poll_interval: float,
        deadline: float | None = None,
        wait_for: Literal["all", "any"] = "all",
        cancel_on_kill: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.batch_ids = list(batch_ids)
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.wait_for = wait_for
        self.cancel_on_kill = list(cancel_on_kill)
        self._client: AsyncMessageBatchClient | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "batch_ids": self.batch_ids,
                "conn_id": self.conn_id,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "wait_for": self.wait_for,
                "cancel_on_kill": self.cancel_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, pause, look again; yield one event."""
        import pendulum

        from anthropic_batches_provider.batches.polling import BatchWait

        wait = BatchWait(self.batch_ids, poll_interval=self.poll_interval, wait_for=self.wait_for)
        try:
            while True:
                await self._look(wait)
                now = pendulum.now("UTC")
                for warning in wait.warnings(now):
                    log.warning("%s", warning)
                if self.batch_ids and wait.is_over:
                    yield self._event("ended", wait)
                    return
                if self.deadline is not None and now.timestamp() >= self.deadline:
                    yield self._event("deadline", wait)
                    return
                await asyncio.sleep(self._pause_seconds(wait, now))
        finally:
            await self._forget_client()

    async def on_kill(self) -> None:
        """Cancel what the task said, if it is really over.

        Airflow 3.3 cancels a trigger again at each of its heartbeats, also while it is in here: that must not break off
        what takes longer than a heartbeat. The time for it is bounded here instead.
        """
        if not self.cancel_on_kill:
            return
        work = asyncio.ensure_future(asyncio.wait_for(self._cancel_if_over(), _KILL_SECONDS))
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(work)
        work.result()

    async def _cancel_if_over(self) -> None:
        if not await is_over_async(self.task_instance):
            return
        try:
            for batch_id in self.cancel_on_kill:
                await (await self._connect()).cancel(batch_id)
                log.warning(
                    "Canceled %s, since its task was killed; what it has finished is kept and billed.", batch_id
                )
        finally:
            await self._forget_client()

    async def _look(self, wait: BatchWait) -> None:
        for batch_id in wait.pending:
            try:
                client = await self._connect()
                wait.saw(await client.retrieve(batch_id))
            except Exception as error:  # noqa: BLE001 - whatever goes wrong with a look, the wait goes on
                log.warning("Could not look at %s; it runs on untouched, and is looked at again: %s", batch_id, error)
                wait.failed(batch_id, error)
                await self._forget_client()

    async def _connect(self) -> AsyncMessageBatchClient:
        if self._client is None:
            from anthropic_batches_provider.hooks import MessageBatchHook

            self._client = await MessageBatchHook(self.conn_id).aclient()
        return self._client

    async def _forget_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await client.close()

    def _pause_seconds(self, wait: BatchWait, now: pendulum.DateTime) -> float:
        if not wait.pending:
            return self.poll_interval if self.deadline is None else max(self.deadline - now.timestamp(), 0.0)
        pause = wait.next_delay_seconds(now)
        return pause if self.deadline is None else max(min(pause, self.deadline - now.timestamp()), 0.0)

    def _event(self, outcome: str, wait: BatchWait) -> TriggerEvent:
        return TriggerEvent(
            {
                "outcome": outcome,
                "batch_ids": self.batch_ids,
                "ended": [batch.id for batch in wait.ended],
                "still_running": [str(running) for running in wait.still_running()],
                "request_counts": wait.request_counts.as_dict(),
            }
        )
