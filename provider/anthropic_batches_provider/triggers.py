"""Waits for message batches in the triggerer: asynchronously, and together with all others who wait.

This module is imported on the triggerer's event loop: it imports nothing heavy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent

from anthropic_batches_provider.edge.kill_policy import is_over_async
from anthropic_batches_provider.edge.watchers import prepare, subscribed
from anthropic_batches_provider.errors import BatchNotFoundError

__all__ = ["MessageBatchTrigger"]

log = logging.getLogger(__name__)

_KILL_SECONDS = 28.0  # of the 30 that [triggerer] on_kill_timeout grants by default


class MessageBatchTrigger(BaseTrigger):
    """Fires once: when batches have ended, when a moment has come, or when the API keeps denying them.

    The event is a small dict. ``outcome`` is ``"ended"``, ``"deadline"``, ``"not_found"`` (the API has answered 404 for
    ten minutes) or ``"unreachable"`` (it has refused the key for ten minutes, with the connection read again in
    between); in the last two cases ``reason`` says what was seen and what to do, and ``lost`` names the batches.
    ``batch_ids`` is what was waited for, ``ended`` the ids that have ended, ``ended_at`` when, by id, ``still_running``
    a sentence for each of the others, ``request_counts`` the sum over the ended.

    Other failed looks (network, 429, 5xx) never end the wait, and none ever touches a batch. All triggers of a
    triggerer share one watcher for each connection. Airflow stores these arguments in clear text: ids and numbers only.

    :param batch_ids: message batches to wait for; empty to wait for the deadline alone.
    :param conn_id: the Airflow connection.
    :param poll_interval: longest time between two looks at a batch, in seconds.
    :param deadline: moment at which to stop waiting, seconds since the epoch; None for none.
    :param wait_for: ``all`` batches, or ``any`` one. With ``any``, the batches must all be denied to end the wait.
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
        """Wait; yield one event, after everything that waiting took has been given back."""
        yield TriggerEvent(await self._wait())

    async def _wait(self) -> dict[str, Any]:
        await prepare()
        from anthropic_batches_provider.batches.watching.wait import BatchWait

        wait = BatchWait(self.batch_ids, poll_interval=self.poll_interval, wait_for=self.wait_for)
        async with subscribed(self.conn_id, wait, deadline=self.deadline) as subscription:
            while True:
                news = await subscription.news()
                for note in news.notes:  # told here, so that they land in the log of the task that waits
                    log.log(note.level, "%s", note.text)
                if news.outcome is not None:
                    return subscription.event(news.outcome)

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
        """Cancel by a client of its own: by now the watcher may be gone, and its client repeats no call."""
        from anthropic_batches_provider.batches.cancellation import takes_cancellation
        from anthropic_batches_provider.hooks import MessageBatchHook

        if not await is_over_async(self.task_instance):
            return
        async with await MessageBatchHook(self.conn_id).aclient() as client:
            for batch_id in self.cancel_on_kill:
                try:
                    found = await client.retrieve(batch_id)
                except BatchNotFoundError as error:  # holds up no other
                    log.warning("%s cannot be canceled: %s", batch_id, error)
                    continue
                # A triggerer that stalled may find the task over because the batch has ended.
                if not takes_cancellation(found):
                    continue
                await client.cancel(batch_id)
                log.warning(
                    "Canceled %s, since its task was killed; what it has finished is kept and billed.", batch_id
                )
