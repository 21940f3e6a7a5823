"""The endless watch behind an event trigger: which batches of a workspace end, each told once.

A look that fails never ends the watch. What was told is kept beside the asset, so that a triggerer that comes after
does not tell it again; a batch is marked as told only after Airflow has taken the event, so that none is lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from anthropic_batches_provider.batches.pauses import GrowingPause, bounded_retry_after
from anthropic_batches_provider.errors import MessageBatchesError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import Greeting, Look, Sighting
    from anthropic_batches_provider.batches.message_batch import MessageBatch
    from anthropic_batches_provider.batches.watching.watermark import UntoldBatches, Watermark

log = logging.getLogger(__name__)

# The triggerer hands events to the database once a second. A batch that is marked as told before that, by a triggerer
# that is killed in between, would be lost; one that is marked after, is at worst told twice.
_HANDED_OVER_SECONDS = 5.0
_LONGEST_PAUSE_INTERVALS = 8  # times the poll interval
_CLOSE_SECONDS = 5.0


class ListsBatches(Protocol):
    """What is asked of a client."""

    async def look_at_page(self, after_id: str | None = None) -> Look:
        """Look at a page of the workspace's batches, newest first, in a millisecond or two of the loop's time."""

    async def greet(self) -> Greeting:
        """Return whom the service took the caller for, and its time."""

    async def close(self) -> None:
        """Close the connections that are kept open."""


class Memory(Protocol):
    """Where a watermark outlives the watch."""

    async def read(self) -> Watermark | None:
        """Return what was written last; None if nothing ever was."""

    async def write(self, watermark: Watermark) -> None:
        """Keep it."""


class ProcessMemory:
    """Keeps a watermark for as long as the trigger runs: all there is below Airflow 3.3."""

    def __init__(self) -> None:
        self._kept: Watermark | None = None

    async def read(self) -> Watermark | None:
        return self._kept

    async def write(self, watermark: Watermark) -> None:
        self._kept = watermark


class AssetMemory:
    """Keeps a watermark with the watched assets, in Airflow's asset state store.

    :param stores: that of each asset. Assets with equal triggers share one trigger: what one was told, all were.
    :param key: the name of the entry, which people may look up, mend or delete.
    """

    def __init__(self, stores: Sequence[Any], key: str) -> None:
        self._stores = stores
        self._key = key

    async def read(self) -> Watermark | None:
        from anthropic_batches_provider.batches.watching.watermark import Watermark

        found: Watermark | None = None
        for store in self._stores:
            if (stored := await store.aget(self._key)) is not None:
                found = Watermark.from_json(stored).merged(found)
        return found

    async def write(self, watermark: Watermark) -> None:
        for store in self._stores:
            await store.aset(self._key, watermark.as_json())


def asset_stores(accessors: Any) -> list[Any]:
    """Return the state store of each asset that a trigger is watched by; none below Airflow 3.3."""
    if accessors is None:
        return []
    # Airflow has no public way to go through them, and its shortcut takes one asset only.
    by_asset = [*getattr(accessors, "_by_name", {}).values(), *getattr(accessors, "_by_uri", {}).values()]
    return by_asset or [accessors]


def pause_after_failures(failures: int, *, poll_interval: float) -> float:
    """Return the interval until the next look, in seconds: as asked for, and doubled by each failure after the first.

    :param failures: in a row; 0 or more.
    """
    pause = GrowingPause(poll_interval, poll_interval * _LONGEST_PAUSE_INTERVALS)
    return pause.seconds(max(failures - 1, 0))


class EndedBatchWatch:
    """One endless watch over the batches of a workspace.

    :param connect: makes a client; called again after a failure, so that a new key is taken up.
    :param memory: what was told, by this watch or by another before it.
    :param poll_interval: seconds between two looks without failures.
    :param sleep: how to wait.
    :param jitter: gives a number from 0 to 1.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[ListsBatches]],
        memory: Memory,
        *,
        poll_interval: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._connect = connect
        self._memory = memory
        self._poll_interval = poll_interval
        self._sleep = sleep
        self._jitter = jitter
        self._client: ListsBatches | None = None
        self._untold: UntoldBatches | None = None
        self._is_written = True
        self._failures = 0
        self._retry_after_seconds = 0.0

    async def batches(self) -> AsyncGenerator[MessageBatch, None]:
        """Yield each batch that ends, in the order in which they end."""
        try:
            while True:
                news = await self._survive(self._look) or []
                for sighting in news:
                    yield sighting.batch()
                    await asyncio.sleep(0)  # thousands may have ended, and others live on this loop too
                if news and self._untold is not None:
                    self._untold.watermark = self._untold.watermark.with_told(news)
                    self._is_written = False
                    await self._sleep(_HANDED_OVER_SECONDS)
                await self._survive(self._remember)
                await self._sleep(self._pause_seconds())
        finally:
            await self._disconnect()

    async def _look(self) -> list[Sighting]:
        """Return what has ended and was not told.

        :raises Exception: whatever can go wrong on the way; nothing has changed then.
        """
        untold = self._untold = self._untold or await self._start()
        listed = await self._listed(untold.floor)
        untold.saw(listed)
        if untold.among(listed):  # another triggerer may have told them meanwhile
            untold.watermark = untold.watermark.merged(await self._memory.read())
        self._failures, self._retry_after_seconds = 0, 0.0
        return untold.among(listed)

    async def _start(self) -> UntoldBatches:
        from anthropic_batches_provider.batches.watching.watermark import UntoldBatches, Watermark

        watermark = await self._memory.read()
        if watermark is None:
            watermark = Watermark(until=await self._service_time())
            await self._memory.write(watermark)
            log.info("Watching for batches that end after %s.", watermark.until)
        else:
            log.info("Watching on for batches that ended after %s and were not told.", watermark.until)
        return UntoldBatches(watermark)

    async def _service_time(self) -> datetime:
        greeting = await (await self._connected()).greet()
        return greeting.server_time or datetime.now(UTC)

    async def _listed(self, floor: datetime) -> list[Sighting]:
        client, found, after_id = await self._connected(), [], None
        while True:
            look = await client.look_at_page(after_id)
            newer = [sighting for sighting in look.sightings if sighting.created_at >= floor]
            found += newer
            if len(newer) < len(look.sightings) or look.next_page in (None, after_id):
                return found
            after_id = look.next_page

    async def _remember(self) -> None:
        if not self._is_written and self._untold is not None:
            self._untold.watermark = self._untold.watermark.merged(await self._memory.read())
            await self._memory.write(self._untold.watermark)
            self._is_written = True

    async def _survive(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await attempt()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the watch goes on
            self._failures += 1
            self._retry_after_seconds = getattr(error, "retry_after_seconds", None) or 0.0
            text = error if isinstance(error, MessageBatchesError) else type(error).__name__  # others' may hold secrets
            log.warning("The watch for ended batches goes on after a failure, and misses none by it: %s", text)
            await self._disconnect()
            return None

    def _pause_seconds(self) -> float:
        """Failures in a row double the interval, up to eightfold; ``Retry-After`` is obeyed, for at most an hour."""
        pause = pause_after_failures(self._failures, poll_interval=self._poll_interval)
        return max(pause * (0.9 + 0.2 * self._jitter()), bounded_retry_after(self._retry_after_seconds))

    async def _connected(self) -> ListsBatches:
        if self._client is None:
            self._client = await self._connect()
        return self._client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await client.close()
