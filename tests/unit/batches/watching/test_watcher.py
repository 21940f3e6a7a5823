"""The watcher's task survives every failure, and reads a connection again that may have been fixed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from anthropic_batches_provider.batches.client import Look
from anthropic_batches_provider.batches.watching import FailureKind, Outcome, Subscription, Watcher
from anthropic_batches_provider.batches.watching.wait import BatchWait
from anthropic_batches_provider.errors import ApiConnectionError, ApiStatusError, BatchNotFoundError
from tests.worlds.sightings import sighting
from tests.worlds.virtual_time import START, VirtualWorld, run_in_virtual_time

HOUR = 3600.0


class Unmetered:
    """Counts nothing."""

    def called(self, operation: str) -> None: ...

    def failed(self, kind: FailureKind) -> None: ...

    def ended(self, seconds: float) -> None: ...

    def waiting(self) -> None: ...


class Api:
    """A client of an API whose batches end after a minute; a test sets the failures."""

    def __init__(self, world: VirtualWorld) -> None:
        self.world = world
        self.faults: list[BaseException] = []
        self.always: BaseException | None = None
        self.hangs_on_close = False
        self.looks = 0

    def view(self, batch_id: str) -> Look:
        status = "ended" if self.world.now() >= START + 60 else "in_progress"
        return Look(sightings=(sighting(batch_id, created=START - 2 * HOUR, status=status),))  # type: ignore[arg-type]

    async def look_at(self, batch_id: str) -> Look:
        self._fail()
        return self.view(batch_id)

    async def look_at_page(self, after_id: str | None = None) -> Look:
        self._fail()
        return Look(sightings=tuple(self.view(f"batch-{number}").sightings[0] for number in range(10)))

    async def close(self) -> None:
        if self.hangs_on_close:
            await asyncio.Event().wait()

    def _fail(self) -> None:
        self.looks += 1
        if self.always is not None:
            raise self.always
        if self.faults:
            raise self.faults.pop(0)


class Watching:
    """A watcher and one wait."""

    def __init__(
        self, world: VirtualWorld, connect: Callable[[], Awaitable[Api]], *, batches: int, deadline: float | None = None
    ) -> None:
        self.watcher = Watcher("claude", connect, meter=Unmetered(), now=world.now)
        wait = BatchWait([f"batch-{number}" for number in range(batches)], poll_interval=20)
        self.subscription = Subscription(wait, connection="claude", deadline=deadline, now=world.now)
        self.watcher.subscribe(self.subscription)
        self.task = asyncio.create_task(self.watcher.run())

    async def outcome(self, *, within: float) -> Outcome | None:
        """Wait for the outcome, and end the watch."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while (news := await self.subscription.news()).outcome is None:
                    pass
                return news.outcome
        return None

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


@pytest.mark.parametrize("batches", [2, 10], ids=["retrieved", "listed"])
def test_a_cancellation_from_within_a_library_is_one_failed_look(batches: int) -> None:
    async def work(world: VirtualWorld) -> None:
        api = Api(world)
        api.faults = [asyncio.CancelledError()]

        async def connect() -> Api:
            return api

        watching = Watching(world, connect, batches=batches)
        assert await watching.outcome(within=HOUR) == "ended"
        assert api.looks < 60
        assert not watching.task.done()
        await watching.stop()
        assert watching.task.cancelled()

    run_in_virtual_time(work)


def test_a_cancellation_from_within_a_store_of_connections_is_one_failed_look() -> None:
    async def work(world: VirtualWorld) -> None:
        api, reads = Api(world), 0

        async def connect() -> Api:
            nonlocal reads
            reads += 1
            if reads == 1:
                raise asyncio.CancelledError
            return api

        watching = Watching(world, connect, batches=2)
        assert await watching.outcome(within=HOUR) == "ended"
        await watching.stop()

    run_in_virtual_time(work)


def test_a_client_that_does_not_close_holds_nobody_up() -> None:
    async def work(world: VirtualWorld) -> None:
        api = Api(world)
        api.always, api.hangs_on_close = BatchNotFoundError("no such batch", status=404), True

        async def connect() -> Api:
            return api

        watching = Watching(world, connect, batches=1)
        assert await watching.outcome(within=HOUR) == "not_found"
        began = world.now()
        await watching.stop()
        assert world.now() - began <= 5

    run_in_virtual_time(work)


@pytest.mark.parametrize(
    "error", [ApiConnectionError("the old host is gone", connected=False), ApiStatusError("bad gateway", status=502)]
)
def test_a_host_that_was_mended_in_the_connection_is_found_after_minutes_of_failures(error: Exception) -> None:
    async def work(world: VirtualWorld) -> None:
        reads = 0

        async def connect() -> Api:
            nonlocal reads
            reads += 1
            api = Api(world)
            api.always = error if world.now() < START + HOUR else None
            return api

        watching = Watching(world, connect, batches=1)
        await asyncio.sleep(HOUR)
        assert 5 < reads <= HOUR / 100, "not at each failure"
        assert await watching.outcome(within=400) == "ended"
        await watching.stop()

    run_in_virtual_time(work)


def test_a_batch_that_always_fails_is_logged_at_doubling_distances(caplog: pytest.LogCaptureFixture) -> None:
    async def work(world: VirtualWorld) -> None:
        api = Api(world)
        api.always = ApiStatusError("this id is refused", status=400)

        async def connect() -> Api:
            return api

        watching = Watching(world, connect, batches=1)
        assert await watching.outcome(within=26 * HOUR) is None
        assert api.looks > 700
        await watching.stop()

    caplog.set_level(logging.WARNING)
    run_in_virtual_time(work)
    assert 8 <= len([line for line in caplog.messages if "this id is refused" in line]) <= 12


def test_what_a_secrets_backend_says_comes_into_no_log_and_no_event(caplog: pytest.LogCaptureFixture) -> None:
    async def work(world: VirtualWorld) -> None:
        async def connect() -> Api:
            raise RuntimeError("vault token hvs.secret has expired")

        watching = Watching(world, connect, batches=1, deadline=START + 100)
        assert await watching.outcome(within=HOUR) == "deadline"
        event = watching.subscription.event("deadline")
        assert "RuntimeError" in event["still_running"][0]
        assert "hvs.secret" not in repr(event)
        await watching.stop()

    caplog.set_level(logging.DEBUG)
    run_in_virtual_time(work)
    assert "RuntimeError" in caplog.text
    assert "hvs.secret" not in caplog.text


def test_a_batch_that_ends_between_the_last_look_and_the_deadline_is_told_as_ended() -> None:
    async def work(world: VirtualWorld) -> None:
        api = Api(world)

        async def connect() -> Api:
            return api

        watching = Watching(world, connect, batches=1, deadline=START + 61)
        assert await watching.outcome(within=HOUR) == "ended"
        assert world.now() <= START + 62
        await watching.stop()

    run_in_virtual_time(work)


def test_a_deadline_waits_for_its_last_look_for_ten_seconds_only() -> None:
    async def work(world: VirtualWorld) -> None:
        api = Api(world)
        api.always = ApiConnectionError("no route", connected=False)

        async def connect() -> Api:
            return api

        watching = Watching(world, connect, batches=1, deadline=START + 1000)
        assert await watching.outcome(within=HOUR) == "deadline"
        assert world.now() <= START + 1012
        await watching.stop()

    run_in_virtual_time(work)


async def test_a_wait_that_cannot_be_watched_leaves_nothing_behind() -> None:
    async def connect() -> Api:
        raise AssertionError

    watcher = Watcher("claude", connect, meter=Unmetered(), now=lambda: START)
    wait = BatchWait(["batch-0", "batch-1"], poll_interval="often")  # type: ignore[arg-type]
    whole = Subscription(
        BatchWait(["batch-1"], poll_interval=20), connection="claude", deadline=None, now=lambda: START
    )
    watcher.subscribe(whole)
    with pytest.raises(TypeError, match="str"):
        watcher.subscribe(Subscription(wait, connection="claude", deadline=None, now=lambda: START))
    assert watcher.batches_waiting == 1
    watcher.unsubscribe(whole)
    assert not watcher.is_wanted
    assert watcher.batches_waiting == 0
