"""The watchers of this process: one for each connection and event loop, from its first trigger to its last.

The triggerer imports this module on its event loop, so the module imports nothing heavy. A thread imports the SDK and
makes each client.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import AsyncMessageBatchClient, ClientSettings
    from anthropic_batches_provider.batches.watching import FailureKind, Subscription, Watcher
    from anthropic_batches_provider.batches.watching.wait import BatchWait

log = logging.getLogger(__name__)

_WATCHING = "anthropic_batches_provider.batches.watching"
_METRICS = "anthropic_batches"
_GAUGE_SECONDS = 5.0


class _Running:
    """A watcher and its task, which starts again if it ends while any wait still needs it."""

    def __init__(self, watcher: Watcher, loop: asyncio.AbstractEventLoop) -> None:
        self.watcher = watcher
        self._loop = loop
        self._task = self._start()

    def _start(self) -> asyncio.Task[None]:
        # An empty context: a copy of the first trigger's would send the watcher's log lines to that task's log.
        name = f"anthropic batches of {self.watcher.name}"
        task = self._loop.create_task(self.watcher.run(), name=name, context=contextvars.Context())
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self.watcher.is_wanted:
            log.warning("The watcher of connection %s was stopped from outside; it starts again.", self.watcher.name)
            self._task = self._start()

    async def stop(self) -> None:
        """End the task; call this only when no wait needs it any more."""
        self._task.cancel()
        await asyncio.wait({self._task})


_running: dict[tuple[asyncio.AbstractEventLoop, str], _Running] = {}
_import_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def prepare() -> None:
    """Import the modules of a wait in a thread: on the loop, the import would briefly stop all other triggers."""
    lock = _import_locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    if _WATCHING not in sys.modules or lock.locked():
        async with lock:  # thousands of triggers that start together use one thread
            if _WATCHING not in sys.modules:
                await asyncio.to_thread(importlib.import_module, _WATCHING)


@asynccontextmanager
async def subscribed(conn_id: str, wait: BatchWait, *, deadline: float | None) -> AsyncIterator[Subscription]:
    """Let the connection's watcher poll for one wait while the context lasts.

    The watcher starts with the first wait of its loop and connection. It ends with the last one and closes its client.

    :param deadline: moment at which to stop waiting, in seconds since the epoch; None for none.
    """
    from anthropic_batches_provider.batches.watching import Subscription

    key = (asyncio.get_running_loop(), conn_id)
    running = _running.get(key) or _start(key)
    watcher = running.watcher
    try:
        subscription = Subscription(wait, connection=conn_id, deadline=deadline, now=watcher.now)
        watcher.subscribe(subscription)
        try:
            yield subscription
        finally:
            watcher.unsubscribe(subscription)
    finally:
        if not watcher.is_wanted:
            if _running.get(key) is running:
                del _running[key]
            METER.waiting()
            await running.stop()


def new_watcher(conn_id: str) -> Watcher:
    """Return a watcher of a connection that uses the machine's clock."""
    from anthropic_batches_provider.batches.watching import Watcher

    async def connect() -> AsyncMessageBatchClient:
        return await connected(conn_id)

    return Watcher(conn_id, connect, meter=METER)


async def connected(conn_id: str) -> AsyncMessageBatchClient:
    """Read a connection and make a client that makes each call once: the watcher's schedule repeats calls.

    :raises ConfigurationError: the connection is missing or cannot be used.
    """
    from anthropic_batches_provider.edge.connections import read_settings_async

    settings = await read_settings_async(conn_id)
    return await asyncio.to_thread(_client_of, settings)


def _client_of(settings: ClientSettings) -> AsyncMessageBatchClient:
    from anthropic_batches_provider.batches.client import AsyncMessageBatchClient

    METER.prepare()
    return AsyncMessageBatchClient(replace(settings, client_kwargs={**settings.client_kwargs, "max_retries": 0}))


def _start(key: tuple[asyncio.AbstractEventLoop, str]) -> _Running:
    for stale in [other for other in _running if other[0].is_closed()]:
        del _running[stale]
    loop, conn_id = key
    _running[key] = _Running(new_watcher(conn_id), loop)
    return _running[key]


class StatsMeter:
    """Airflow's metrics under ``anthropic_batches.``, without names or ids, so that there are few of them.

    Nothing is sent before :meth:`prepare`, which may block. A failure of metrics never affects a wait.
    """

    def __init__(self) -> None:
        self._stats: Any = None
        self._gauged_at = 0.0
        self._gauged = -1

    def prepare(self) -> None:
        """Import and connect Airflow's metrics client; call this in a thread."""
        if self._stats is None:
            try:
                self._stats = importlib.import_module("airflow.providers.common.compat.sdk").Stats
                self._stats.incr(f"{_METRICS}.polls", 0)
            except Exception as error:  # noqa: BLE001 - metrics must not end a wait
                log.warning("Metrics of waits for message batches are not available: %s", error)

    def called(self, operation: str) -> None:
        self._send("incr", "polls", tags={"operation": operation})

    def failed(self, kind: FailureKind) -> None:
        self._send("incr", "poll_failures", tags={"kind": kind})

    def ended(self, seconds: float) -> None:
        self._send("timing", "time_to_end", seconds * 1000)

    def waiting(self) -> None:
        """Send the number of batches of all connections if it has changed; at most every few seconds, except for 0."""
        if self._stats is None:
            return
        now = time.monotonic()
        if _running and now - self._gauged_at < _GAUGE_SECONDS:
            return
        batches = sum(running.watcher.batches_waiting for running in _running.values())
        self._gauged_at = now
        if batches != self._gauged:
            self._gauged = batches
            self._send("gauge", "batches_waiting", batches)

    def _send(self, how: str, name: str, *values: float, **options: Any) -> None:
        if self._stats is None:
            return
        try:
            getattr(self._stats, how)(f"{_METRICS}.{name}", *values, **options)
        except Exception as error:  # noqa: BLE001 - metrics must not end a wait
            log.debug("A metric was not sent: %s", error)


METER = StatsMeter()
