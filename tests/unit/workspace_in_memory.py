"""A workspace whose batches live in memory and in virtual time, for whatever lists batches again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pendulum

from anthropic_batches_provider import event_triggers
from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.client import Greeting
from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.event_triggers import AssetMemory, EndedBatchWatch

START = pendulum.datetime(2026, 11, 21, 12)


class TimeIsUp(BaseException):
    """The virtual time of a test is over; no ``except Exception`` may hold it up."""


@dataclass
class Lifetime:
    """When a batch is created and when it ends, in seconds from the start."""

    name: str
    created: float
    ended: float

    def at(self, now: float) -> MessageBatch:
        has_ended = self.ended <= now
        return MessageBatch(
            id=self.name,
            processing_status="ended" if has_ended else "in_progress",
            request_counts=RequestCounts(succeeded=2, errored=1) if has_ended else RequestCounts(processing=3),
            created_at=START.add(seconds=self.created),
            expires_at=START.add(seconds=self.created, hours=24),
            ended_at=START.add(seconds=self.ended) if has_ended else None,
        )


class Workspace:
    """The API's list of batches, and the time by which it is asked."""

    def __init__(self, *batches: Lifetime) -> None:
        self.batches = list(batches)
        self.now = 0.0
        self.until = 0.0
        self.faults: list[Exception] = []
        self.looks: list[float] = []
        self.entries_shown = 0
        self.awake = asyncio.Event()
        self.awake.set()
        self.is_killed_while_handing_over = True

    async def connect(self) -> Workspace:
        return self

    async def list(self) -> AsyncIterator[MessageBatch]:
        self.looks.append(self.now)
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.pop(0)
        for each in sorted(self.batches, key=lambda each: each.created, reverse=True):
            if each.created <= self.now:
                self.entries_shown += 1
                yield each.at(self.now)

    async def greet(self) -> Greeting:
        account = Account(base_url="", organization_id=None, workspace_id=None)
        return Greeting(account=account, server_time=START.add(seconds=self.now))

    async def close(self) -> None:
        return

    async def reaches(self, moment: float) -> None:
        """Wait until a watch has waited for so long."""
        while self.now < moment:  # noqa: ASYNC110 - virtual time passes by sleeping
            await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        await self.awake.wait()
        is_handing_over = seconds == event_triggers._HANDED_OVER_SECONDS
        if self.now + seconds > self.until and (self.is_killed_while_handing_over or not is_handing_over):
            self.now = max(self.now, self.until)
            raise TimeIsUp
        self.now += seconds


class AssetStore:
    """Airflow's state store of one asset, as a trigger sees it."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.is_down = False

    async def aget(self, key: str) -> Any:
        return json.loads(self.entries[key]) if key in self.entries else None

    async def aset(self, key: str, value: Any) -> None:
        if self.is_down:
            raise RuntimeError("API_SERVER_ERROR")
        self.entries[key] = json.dumps(value)


def watch_of(workspace: Workspace, *stores: AssetStore, poll_interval: float = 60) -> EndedBatchWatch:
    return EndedBatchWatch(
        workspace.connect,
        AssetMemory(stores, "told"),
        poll_interval=poll_interval,
        sleep=workspace.sleep,
        jitter=lambda: 0.5,
    )


async def told_until(moment: float, workspace: Workspace, watch: EndedBatchWatch) -> list[str]:
    """Let a watch run until a moment, and end it there as a triggerer's end does; return what it told."""
    workspace.until = moment
    told: list[str] = []
    with suppress(TimeIsUp):
        async for batch in watch.batches():
            told.append(batch.id)  # noqa: PERF401 - what came before the end counts
    return told
