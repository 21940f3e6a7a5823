"""One watcher for each connection and loop: it runs while any trigger waits, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import Look
from anthropic_batches_provider.batches.watching import Watcher
from anthropic_batches_provider.batches.watching.wait import BatchWait
from anthropic_batches_provider.edge import watchers
from anthropic_batches_provider.edge.watchers import subscribed
from tests.worlds.sightings import one

ENDS_AFTER_LOOKS = 3


class Api:
    """A client of an API whose batch has ended at the third poll."""

    def __init__(self) -> None:
        self.looks = 0

    async def look_at(self, batch_id: str) -> Look:
        self.looks += 1
        return one(batch_id, ended=self.looks >= ENDS_AFTER_LOOKS)

    async def look_at_page(self, after_id: str | None = None) -> Look:
        raise AssertionError("one batch is retrieved")

    async def close(self) -> None:
        return


@pytest.fixture(autouse=True)
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    api = Api()

    async def connect() -> Api:
        return api

    monkeypatch.setattr(watchers, "new_watcher", lambda conn_id: Watcher(conn_id, connect, meter=watchers.METER))
    yield api
    assert watchers._running == {}


async def outcome(poll_interval: Any = 0.05) -> str | None:
    wait = BatchWait(["msgbatch_1"], poll_interval=poll_interval)
    async with subscribed("claude", wait, deadline=None) as subscription:
        while (news := await subscription.news()).outcome is None:
            pass
        return news.outcome


def watching_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "anthropic batches of claude"]


async def test_a_watcher_that_somebody_cancels_goes_on_for_those_who_wait(api: Api) -> None:
    waits = [asyncio.create_task(outcome()) for _ in range(3)]
    while api.looks == 0:  # noqa: ASYNC110 - the API counts, and tells nobody
        await asyncio.sleep(0.01)
    (task,) = watching_tasks()
    task.cancel()
    await asyncio.wait({task})
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waits, outcome()) == ["ended"] * 4
    assert watching_tasks() == []


async def test_a_wait_that_cannot_begin_leaves_no_watcher_behind() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        await outcome(poll_interval=[])
    assert watchers._running == {}
    assert watching_tasks() == []


@pytest.mark.heavy
def test_the_first_wait_imports_what_it_needs_in_one_thread() -> None:
    script = """
import asyncio, importlib, sys, threading
from anthropic_batches_provider import triggers
from anthropic_batches_provider.edge import watchers

watching = "anthropic_batches_provider.batches.watching"
assert watching not in sys.modules and "anthropic_batches_provider.batches.watching.wait" not in sys.modules
imported_in = []
import_module = importlib.import_module
def recorded(name):
    imported_in.append(threading.current_thread())
    return import_module(name)
importlib.import_module = recorded

async def main():
    await asyncio.gather(*(watchers.prepare() for _ in range(1000)))

asyncio.run(main())
assert watching in sys.modules
(thread,) = imported_in
assert thread is not threading.main_thread()
print("all is well")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout.endswith("all is well\n"), ran.stderr
