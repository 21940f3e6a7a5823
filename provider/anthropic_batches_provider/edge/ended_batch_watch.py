"""The endless watch behind an event trigger: it reports each batch of a workspace once, when the batch ends.

A failed check never ends the watch. The reported batches are recorded with the asset, so that a later triggerer does
not report them again. A batch is marked as reported only after Airflow has taken the event, so that none is lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from anthropic_batches_provider.batches.batch_ids import is_batch_id
from anthropic_batches_provider.batches.limits import MAX_LIST_PAGES
from anthropic_batches_provider.batches.pauses import GrowingPause, bounded_retry_after
from anthropic_batches_provider.errors import MessageBatchesError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import Greeting, Look, Sighting
    from anthropic_batches_provider.batches.message_batch import MessageBatch
    from anthropic_batches_provider.batches.watching.watermark import UntoldBatches, Watermark

log = logging.getLogger(__name__)

# The triggerer writes events to the database once a second. A batch marked as reported before that write is lost if the
# triggerer is killed in between; a batch marked after it is, at worst, reported twice.
_HANDED_OVER_SECONDS = 5.0
_LONGEST_PAUSE_INTERVALS = 8  # times the poll interval
_CLOSE_SECONDS = 5.0


class ListsBatches(Protocol):
    """The calls of a client that the watch needs."""

    async def look_at_page(self, after_id: str | None = None) -> Look:
        """List a page of the workspace's batches, newest first, in a millisecond or two of the loop's time."""

    async def greet(self) -> Greeting:
        """Return the account that the service sees, and the service's time."""

    async def close(self) -> None:
        """Close the open connections."""


class Memory(Protocol):
    """A place where a watermark outlives the watch."""

    async def read(self) -> Watermark | None:
        """Return the watermark that was written last; None if there is none."""

    async def write(self, watermark: Watermark) -> None:
        """Store the watermark."""


class ProcessMemory:
    """Keeps a watermark only while the trigger runs: Airflow below 3.3 offers nothing more."""

    def __init__(self) -> None:
        self._kept: Watermark | None = None

    async def read(self) -> Watermark | None:
        return self._kept

    async def write(self, watermark: Watermark) -> None:
        self._kept = watermark


class AssetMemory:
    """Keeps a watermark with the watched assets, in Airflow's asset state store.

    :param stores: the store of each asset. Assets with equal triggers share one trigger, which reports to all of them.
    :param key: the name of the entry, which users may read, fix or delete.
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
    """Return the state store of each asset that a trigger serves; none below Airflow 3.3."""
    if accessors is None:
        return []
    # Airflow has no public way to iterate over them, and its shortcut accepts one asset only.
    by_asset = [*getattr(accessors, "_by_name", {}).values(), *getattr(accessors, "_by_uri", {}).values()]
    return by_asset or [accessors]


def pause_after_failures(failures: int, *, poll_interval: float) -> float:
    """Return the seconds until the next check: the poll interval, doubled by each failure after the first.

    :param failures: the number of failures in a row; 0 or more.
    """
    pause = GrowingPause(poll_interval, poll_interval * _LONGEST_PAUSE_INTERVALS)
    return pause.seconds(max(failures - 1, 0))


class EndedBatchWatch:
    """One endless watch over the batches of a workspace.

    :param connect: makes a client; called again after a failure, so that a new key takes effect.
    :param memory: records the batches that this watch or an earlier one reported.
    :param poll_interval: seconds between two checks without failures.
    :param sleep: waits for a number of seconds.
    :param jitter: returns a number from 0 to 1.
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
        """Yield each batch that ends, in the order of their ends."""
        try:
            while True:
                news = await self._survive(self._look) or []
                for sighting in news:
                    yield sighting.batch()
                    await asyncio.sleep(0)  # thousands may have ended, and other triggers share this loop
                if news and self._untold is not None:
                    self._untold.watermark = self._untold.watermark.with_told(news)
                    self._is_written = False
                    await self._sleep(_HANDED_OVER_SECONDS)
                await self._survive(self._remember)
                await self._sleep(self._pause_seconds())
        finally:
            await self._disconnect()

    async def _look(self) -> list[Sighting]:
        """Return the batches that have ended and were not reported yet.

        :raises Exception: any failure on the way; nothing has changed then.
        """
        untold = self._untold = self._untold or await self._start()
        listed = await self._listed(untold.floor)
        untold.saw(listed)
        if untold.among(listed):  # another triggerer may have reported them meanwhile
            untold.watermark = untold.watermark.merged(await self._memory.read())
        self._failures, self._retry_after_seconds = 0, 0.0
        return [batch for batch in untold.among(listed) if is_batch_id(batch.id)]

    async def _start(self) -> UntoldBatches:
        from anthropic_batches_provider.batches.watching.watermark import UntoldBatches, Watermark

        watermark = await self._memory.read()
        if watermark is None:
            watermark = Watermark(until=await self._service_time())
            await self._memory.write(watermark)
            log.info("Watching for batches that end after %s.", watermark.until)
        else:
            log.info("Watching again for batches that ended after %s and were not reported yet.", watermark.until)
        return UntoldBatches(watermark)

    async def _service_time(self) -> datetime:
        greeting = await (await self._connected()).greet()
        return greeting.server_time or datetime.now(UTC)

    async def _listed(self, floor: datetime) -> list[Sighting]:
        client, found, after_id = await self._connected(), [], None
        for _ in range(MAX_LIST_PAGES):
            look = await client.look_at_page(after_id)
            older = [each for each in look.sightings if each.created_at is not None and each.created_at < floor]
            found += [each for each in look.sightings if each.created_at is not None and each.created_at >= floor]
            if older or look.next_page in (None, after_id):
                return found
            after_id = look.next_page
        return found

    async def _remember(self) -> None:
        if not self._is_written and self._untold is not None:
            self._untold.watermark = self._untold.watermark.merged(await self._memory.read())
            await self._memory.write(self._untold.watermark)
            self._is_written = True

    async def _survive(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await attempt()
        except Exception as error:  # noqa: BLE001 - the watch continues after any failure
            self._failures += 1
            self._retry_after_seconds = getattr(error, "retry_after_seconds", None) or 0.0
            text = error if isinstance(error, MessageBatchesError) else type(error).__name__  # others' may hold secrets
            log.warning("The watch for ended batches continues after a failure and misses no batch: %s", text)
            await self._disconnect()
            return None

    def _pause_seconds(self) -> float:
        """Double the interval with each failure in a row, up to eightfold; obey ``Retry-After`` for at most an hour."""
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
