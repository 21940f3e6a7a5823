"""The one asyncio task that polls the batches of one connection, for all waits for them on one event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from anthropic_batches_provider.batches.watching.failure_kinds import (
    FailureKind,
    classify_failure,
    may_be_the_connections,
)
from anthropic_batches_provider.batches.watching.schedule import LookAtEach, LookAtPage, Rest, Schedule
from anthropic_batches_provider.batches.watching.subscription import Subscription
from anthropic_batches_provider.batches.watching.watched_batch import WatchedBatch
from anthropic_batches_provider.errors import ApiConnectionError, ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import Look

T = TypeVar("T")

log = logging.getLogger(__name__)

_CALL_SECONDS = 60.0
_CONNECT_SECONDS = 60.0
_CLOSE_SECONDS = 5.0
_LONGEST_REST_SECONDS = 300.0  # bounds the effect of a clock that is set forward
_AFTER_A_BUG_SECONDS = 30.0
_NEWS_AT_ONCE = 20


class LooksAtBatches(Protocol):
    """The client, as far as a watcher needs it. It makes each call once: the schedule does the repeating."""

    async def look_at(self, batch_id: str) -> Look:
        """Check one batch."""

    async def look_at_page(self, after_id: str | None = None) -> Look:
        """Check a page of batches, newest first."""

    async def close(self) -> None:
        """Close the connections that are kept open."""


class Meter(Protocol):
    """Counts the watcher's events; must neither raise nor block."""

    def called(self, operation: str) -> None:
        """Count a call: ``retrieve`` or ``list``."""

    def failed(self, kind: FailureKind) -> None:
        """Count a failed check."""

    def ended(self, seconds: float) -> None:
        """Count a batch that was seen to have ended, this long after its creation."""

    def waiting(self) -> None:
        """Note that the number of batches that are waited for may have changed."""


class Watcher:
    """Polls the batches of one connection and informs their subscriptions.

    Start :meth:`run` as a task with the first subscription, and cancel it after the last. Nothing else ends it.

    :param name: name of the connection, for messages.
    :param connect: reads the connection and makes a client; may fail, and is then called again.
    :param now: the wall clock, in seconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Awaitable[LooksAtBatches]],
        *,
        meter: Meter,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.now = now
        self._connect = connect
        self._meter = meter
        self._schedule = Schedule()
        self._subscriptions: defaultdict[str, dict[Subscription, None]] = defaultdict(dict)
        self._followed: dict[Subscription, list[str]] = {}
        self._client: LooksAtBatches | None = None
        self._connected_at = 0.0
        self._rests_until = 0.0
        self._wake = asyncio.Event()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody is subscribed."""
        return bool(self._followed)

    @property
    def batches_waiting(self) -> int:
        """The number of batches that are waited for and are not known to have ended."""
        return sum(not watched.has_ended for watched in self._schedule.batches.values())

    def subscribe(self, subscription: Subscription) -> None:
        """Watch the batches of a subscription."""
        followed = self._followed[subscription] = []
        wait = subscription.wait
        try:
            for batch_id in wait.batch_ids:
                watched = self._schedule.add(batch_id, wait.poll_interval, self.now(), deadline=subscription.deadline)
                followed.append(batch_id)
                self._subscriptions[batch_id][subscription] = None
                subscription.follow(watched)
                if watched.due_at < self._rests_until:
                    self._wake.set()
        except BaseException:
            self.unsubscribe(subscription)
            raise

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop watching the batches of a subscription."""
        for batch_id in self._followed.pop(subscription):
            self._schedule.remove(batch_id, subscription.wait.poll_interval, deadline=subscription.deadline)
            del self._subscriptions[batch_id][subscription]
            if not self._subscriptions[batch_id]:
                del self._subscriptions[batch_id]

    async def run(self) -> None:
        """Check, report and rest until canceled; then close the client."""
        try:
            while True:
                try:
                    await self._step()
                except Exception:
                    log.exception("The watcher of connection %s hit an internal error; it continues.", self.name)
                    await asyncio.sleep(_AFTER_A_BUG_SECONDS)
        finally:
            await self._disconnect()

    async def _step(self) -> None:
        step = self._schedule.next_step(self.now())
        if isinstance(step, Rest):
            self._meter.waiting()
            await self._rest(step.until)
        elif isinstance(step, LookAtPage):
            await self._look_at_page(step.after_id)
        else:
            await self._look_at_each(step)

    async def _rest(self, until: float) -> None:
        self._rests_until = until
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(until - self.now(), _LONGEST_REST_SECONDS)):
                await self._wake.wait()
        self._rests_until = 0.0

    async def _look_at_page(self, after_id: str | None) -> None:
        try:
            client = await self._connected()
            self._meter.called("list")
            look = await _answered(client.look_at_page(after_id))
        except Exception as error:  # noqa: BLE001 - the waits continue after any failed check
            news = self._schedule.page_failed(error, self.now())
            await self._after_failures({None: error})
        else:
            news = self._schedule.saw_page(look, self.now())
        await self._tell(news)

    async def _look_at_each(self, step: LookAtEach) -> None:
        looks: dict[str, Look] = {}
        failures: dict[str, Exception] = {}

        async def look_at(client: LooksAtBatches, batch_id: str) -> None:
            self._meter.called("retrieve")
            try:
                looks[batch_id] = await _answered(client.look_at(batch_id))
            except Exception as error:  # noqa: BLE001 - the waits continue after any failed check
                failures[batch_id] = error

        try:
            client = await self._connected()
        except Exception as error:  # noqa: BLE001 - a store of connections may raise anything
            failures = dict.fromkeys(step.batch_ids, error)
        else:
            async with asyncio.TaskGroup() as group:
                for batch_id in step.batch_ids:
                    group.create_task(look_at(client, batch_id))
        news = self._schedule.saw_each(looks, failures, self.now())
        await self._after_failures(failures)
        await self._tell(news)

    async def _connected(self) -> LooksAtBatches:
        """Return the client, and create it first if there is none.

        :raises ConfigurationError: the connection cannot be read now, or no client can be made from it.
        """
        if self._client is None:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    self._client = await _unless_canceled(self._connect())
            except ConfigurationError:
                raise
            except Exception as error:  # noqa: BLE001 - a store of connections may raise anything
                # The error's text comes from elsewhere, such as a secrets backend, and may hold secrets: never log it.
                raise ConfigurationError(
                    f"Connection {self.name} could not be read ({type(error).__name__}). Check it in Airflow or in its "
                    "secrets backend."
                ) from None
            self._connected_at = self.now()
        return self._client

    async def _after_failures(self, failures: Mapping[str, Exception] | Mapping[None, Exception]) -> None:
        """Count and log failures, and have the connection read again if it may have been fixed."""
        kinds = [classify_failure(error) for error in failures.values()]
        for kind in kinds:
            self._meter.failed(kind)
        for looked_at, error in failures.items():
            in_a_row = self._schedule.failures_in_a_row(error, looked_at)
            if in_a_row & (in_a_row - 1) == 0:  # the first, second, fourth, eighth …
                log.warning("A check over connection %s failed; batches continue to run: %s", self.name, error)
                break
        age = self.now() - self._connected_at
        if may_be_the_connections(kinds, in_a_row=self._schedule.gate.failures, age_seconds=age):
            await self._disconnect()

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await _unless_canceled(client.close())

    async def _tell(self, news: list[WatchedBatch]) -> None:
        """Pass news on, a few at a time: a thousand waits that continue at once would block the event loop."""
        delivered = 0
        for watched in news:
            sighting = watched.sighting
            if sighting is not None and sighting.has_ended and sighting.ended_at and sighting.created_at:
                self._meter.ended((sighting.ended_at - sighting.created_at).total_seconds())
            for subscription in list(self._subscriptions.get(watched.id, ())):
                subscription.learn(watched)
                delivered += 1
                if delivered % _NEWS_AT_ONCE == 0:
                    await asyncio.sleep(0)


async def _answered(call: Awaitable[Look]) -> Look:
    """Bound the duration of a whole call: the client's own timeouts are for each of its steps.

    :raises ApiConnectionError: the call took too long, or something inside this process canceled it.
    """
    try:
        async with asyncio.timeout(_CALL_SECONDS):
            return await _unless_canceled(call)
    except TimeoutError:
        raise ApiConnectionError(f"There was no answer within {_CALL_SECONDS:.0f} s.", connected=True) from None


async def _unless_canceled(call: Awaitable[T]) -> T:
    """Let a cancellation pass only if this task was canceled: one from within a library must not end a watch.

    :raises ApiConnectionError: the cancellation came from within a library.
    """
    try:
        return await call
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ApiConnectionError("Something inside this process canceled the call.", connected=True) from None
