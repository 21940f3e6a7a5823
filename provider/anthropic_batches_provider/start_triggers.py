"""The wait of a sensor that Airflow starts in the triggerer, so that no worker ever holds it."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

from airflow.triggers.base import BaseTrigger, TriggerEvent

from anthropic_batches_provider.edge.job_references import batch_ids_in
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.triggers import MessageBatchTrigger

__all__ = ["MessageBatchStartTrigger"]

log = logging.getLogger(__name__)

# Airflow's own timeout of a deferral is the safety net for ours, which can say what still runs.
TRIGGER_GRACE_SECONDS = 600.0


class MessageBatchStartTrigger(BaseTrigger):
    """Waits as :class:`MessageBatchTrigger` does, with arguments that no worker has rendered or validated.

    Airflow renders ``batch_ids`` and ``conn_id`` before it runs the trigger. The event is that of
    :class:`MessageBatchTrigger`. If an argument turns out to be unusable, its ``outcome`` is ``"invalid"`` and
    ``reason`` says why.

    :param batch_ids: ids, in any form that :func:`batch_ids_in` accepts.
    :param conn_id: the Airflow connection.
    :param poll_interval: longest time between two checks of a batch, in seconds.
    :param timeout: how long to wait, from the start of the task, in seconds.
    :param cancel_on_kill: cancel the batches when the task is killed for good while it waits.
    """

    def __init__(
        self, batch_ids: Any, conn_id: str, poll_interval: float, timeout: float, cancel_on_kill: bool = False
    ) -> None:
        super().__init__()
        self.batch_ids = batch_ids
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.cancel_on_kill = cancel_on_kill
        self.timeout_after: datetime | None = None
        self._wait: MessageBatchTrigger | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "batch_ids": self.batch_ids,
                "conn_id": self.conn_id,
                "poll_interval": self.poll_interval,
                "timeout": self.timeout,
                "cancel_on_kill": self.cancel_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check the rendered arguments, then wait; yield one event."""
        try:
            self._wait = await self._checked_wait()
        except ConfigurationError as error:
            yield TriggerEvent({"outcome": "invalid", "reason": str(error)})
            return
        async with aclosing(cast("AsyncGenerator[TriggerEvent, None]", self._wait.run())) as events:
            async for event in events:
                yield event

    async def on_kill(self) -> None:
        """See :meth:`MessageBatchTrigger.on_kill`."""
        if self._wait is not None:
            await self._wait.on_kill()

    async def cleanup(self) -> None:
        """See :meth:`MessageBatchTrigger.cleanup`."""
        if self._wait is not None:
            await self._wait.cleanup()

    async def _checked_wait(self) -> MessageBatchTrigger:
        from anthropic_batches_provider.hooks import MessageBatchHook

        batch_ids = batch_ids_in(self.batch_ids)
        try:
            await MessageBatchHook(self.conn_id).asettings()
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - the connection could not be read now; the wait reads it again
            log.warning(
                "The connection %s could not be read (%s). The wait will read it again.",
                self.conn_id,
                type(error).__name__,
            )
        wait = MessageBatchTrigger(
            batch_ids=batch_ids,
            conn_id=self.conn_id,
            poll_interval=self.poll_interval,
            deadline=self._deadline(),
            cancel_on_kill=batch_ids if self.cancel_on_kill else (),
        )
        wait.task_instance = self.task_instance
        return wait

    def _deadline(self) -> float:
        """Return a deadline that stays the same when another triggerer takes over: Airflow's, less the grace."""
        if self.timeout_after is None:
            return time.time() + self.timeout
        ends = self.timeout_after if self.timeout_after.tzinfo else self.timeout_after.replace(tzinfo=UTC)
        return float(ends.timestamp()) - TRIGGER_GRACE_SECONDS
