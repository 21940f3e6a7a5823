"""Waits for message batches in the triggerer: asynchronously, and sharing checks with all other waits.

This module is imported on the triggerer's event loop: it imports nothing heavy.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent

from anthropic_batches_provider.batches.batch_ids import check_batch_id
from anthropic_batches_provider.edge.deferral_notice import deferral_notice_seconds
from anthropic_batches_provider.edge.kill_policy import is_over_async, kill_seconds
from anthropic_batches_provider.edge.watchers import prepare, subscribed
from anthropic_batches_provider.errors import BatchNotFoundError, ConfigurationError

__all__ = ["MessageBatchTrigger"]

log = logging.getLogger(__name__)


class MessageBatchTrigger(BaseTrigger):
    """Fires once: when batches have ended, when the deadline has come, or when the API keeps denying the batches.

    The event is a small dict:

    - ``outcome``: ``"ended"``, ``"deadline"``, ``"not_found"`` (the API has answered 404 for ten minutes) or
      ``"unreachable"`` (it has refused the key for ten minutes, although the connection was read again in between)
    - ``reason`` and ``lost``, for the last two outcomes only: the cause and what to do; the ids of the batches
    - ``batch_ids``: the batches that the trigger waited for
    - ``ended``: the ids of those that have ended; ``ended_at``: when, by id
    - ``still_running``: a sentence for each of the others
    - ``request_counts``: the sum over the batches that have ended

    Other failed checks (network, 429, 5xx) never end the wait, and no check ever touches a batch. All triggers of a
    triggerer share one watcher for each connection. Airflow stores these arguments in clear text: they are ids and
    numbers only.

    :param batch_ids: list of ids of the message batches to wait for. May be empty, to wait for the deadline alone.
    :param conn_id: the Airflow connection.
    :param poll_interval: longest time between two checks of a batch, in seconds; as the ``poke_interval`` of
        :class:`MessageBatchSensor`.
    :param deadline: when to stop waiting, in seconds since the epoch. Default: never.
    :param wait_for: ``"all"`` batches, or ``"any"`` one. With ``"any"``, the wait fails only if all are denied.
        Default: ``"all"``.
    :param cancel_on_kill: list of ids of batches to cancel when the task is killed for good while it waits: marked
        failed or success, or its run ended. If the task is cleared, or moved to another triggerer, they are left
        running. Requires Airflow 3.3 or later. Default: ``()``.
    :raises ConfigurationError: an id can be none, such as ``None``, or the ids are a text instead of a list.
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
        self.batch_ids = _checked("batch_ids", batch_ids)
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.wait_for = wait_for
        self.cancel_on_kill = _checked("cancel_on_kill", cancel_on_kill)

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
        """Wait; yield one event, after all that the wait held has been released.

        A triggerer fires it at the earliest when Airflow must have noticed that the task's worker has ended.
        """
        began = time.monotonic()
        event = await self._wait()
        if self.trigger_id is not None:  # a triggerer runs it for a deferred task; dag.test() and other triggers do not
            await asyncio.sleep(max(0.0, began + deferral_notice_seconds() - time.monotonic()))
        yield TriggerEvent(event)

    async def _wait(self) -> dict[str, Any]:
        await prepare()
        from anthropic_batches_provider.batches.watching.wait import BatchWait

        wait = BatchWait(self.batch_ids, poll_interval=self.poll_interval, wait_for=self.wait_for)
        async with subscribed(self.conn_id, wait, deadline=self.deadline) as subscription:
            while True:
                news = await subscription.news()
                for note in news.notes:  # logged here, so that they reach the log of the task that waits
                    log.log(note.level, "%s", note.text)
                if news.outcome is not None:
                    return subscription.event(news.outcome)

    async def on_kill(self) -> None:
        """Cancel the batches of ``cancel_on_kill``, if the task is really over.

        Airflow 3.3 cancels a trigger again at each of its heartbeats, even while this method runs. That must not
        interrupt work that takes longer than a heartbeat. This method limits the time instead.
        """
        if not self.cancel_on_kill:
            return
        work = asyncio.ensure_future(asyncio.wait_for(self._cancel_if_over(), kill_seconds()))
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(work)
        work.result()

    async def _cancel_if_over(self) -> None:
        """Cancel with a client of its own: the watcher may be gone by now, and its client repeats no call."""
        from anthropic_batches_provider.batches.cancellation import takes_cancellation
        from anthropic_batches_provider.hooks import MessageBatchHook

        if not await is_over_async(self.task_instance):
            return
        async with await MessageBatchHook(self.conn_id).aclient() as client:
            for batch_id in self.cancel_on_kill:
                try:
                    found = await client.retrieve(batch_id)
                except BatchNotFoundError as error:  # does not block the others
                    log.warning("%s cannot be canceled: %s", batch_id, error)
                    continue
                # A triggerer that stalled may find the task over because the batch has ended.
                if not takes_cancellation(found):
                    continue
                await client.cancel(batch_id)
                log.warning(
                    "%s is being canceled because its task was killed; the results it has finished are kept "
                    "and billed.",
                    batch_id,
                )


def _checked(name: str, batch_ids: Sequence[str]) -> list[str]:
    if isinstance(batch_ids, str):  # its letters would be taken for ids
        raise ConfigurationError(f"{name}= is the text {batch_ids!r:.200}. Give a list of ids of message batches.")
    return [check_batch_id(batch_id, f"{name}=") for batch_id in batch_ids]
