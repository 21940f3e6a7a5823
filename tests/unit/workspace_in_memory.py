"""A workspace whose batches live in memory and in virtual time, for code that lists batches repeatedly."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.client import Greeting, Look, SightedCounts, Sighting
from anthropic_batches_provider.edge import ended_batch_watch
from anthropic_batches_provider.edge.ended_batch_watch import AssetMemory, EndedBatchWatch

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUNNING_COUNTS = SightedCounts(processing=3, succeeded=0, errored=0, canceled=0, expired=0)
ENDED_COUNTS = SightedCounts(processing=0, succeeded=2, errored=1, canceled=0, expired=0)


class TimeIsUp(BaseException):
    """The virtual time of a test is over; no ``except Exception`` may catch this."""


@dataclass
class Lifetime:
    """When a batch is created and when it ends, in seconds from the start."""

    name: str
    created: float
    ended: float

    def at(self, now: float) -> Sighting:
        has_ended = self.ended <= now
        created = START + timedelta(seconds=self.created)
        return Sighting(
            id=self.name,
            type="message_batch",
            processing_status="ended" if has_ended else "in_progress",
            request_counts=ENDED_COUNTS if has_ended else RUNNING_COUNTS,
            created_at=created,
            expires_at=created + timedelta(hours=24),
            ended_at=START + timedelta(seconds=self.ended) if has_ended else None,
        )


class Workspace:
    """The API's list of batches, in pages of ten, and its virtual clock."""

    page_size = 10

    def __init__(self, *batches: Lifetime) -> None:
        self.batches = list(batches)
        self.now = 0.0
        self.until = 0.0
        self.faults: list[Exception] = []
        self.looks: list[float] = []
        self.pages_shown = 0
        self.awake = asyncio.Event()
        self.awake.set()
        self.is_killed_while_handing_over = True

    async def connect(self) -> Workspace:
        return self

    async def look_at_page(self, after_id: str | None = None) -> Look:
        if after_id is None:
            self.looks.append(self.now)
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.pop(0)
        self.pages_shown += 1
        newest_first = sorted(self.batches, key=lambda each: each.created, reverse=True)
        made = [each for each in newest_first if each.created <= self.now]
        begin = [each.name for each in made].index(after_id) + 1 if after_id is not None else 0
        page = made[begin : begin + self.page_size]
        more = begin + self.page_size < len(made)
        return Look(sightings=tuple(each.at(self.now) for each in page), next_page=page[-1].name if more else None)

    async def greet(self) -> Greeting:
        account = Account(base_url="", organization_id=None, workspace_id=None)
        return Greeting(account=account, server_time=pendulum.instance(START + timedelta(seconds=self.now)))

    async def close(self) -> None:
        return

    async def reaches(self, moment: float) -> None:
        """Wait until a watch has reached this moment."""
        while self.now < moment:  # noqa: ASYNC110 - virtual time passes by sleeping
            await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        await self.awake.wait()
        is_handing_over = seconds == ended_batch_watch._HANDED_OVER_SECONDS
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
    """Let a watch run until a moment, end it as a triggerer's end does, and return the batches that it reported."""
    workspace.until = moment
    told: list[str] = []
    with suppress(TimeIsUp):
        async for batch in watch.batches():
            told.append(batch.id)  # noqa: PERF401 - what came before the end counts
    return told
