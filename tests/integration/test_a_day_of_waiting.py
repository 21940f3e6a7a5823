"""A day in virtual time: triggers wait for batches while polls fail, the service is down and the triggerer restarts."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import AsyncMessageBatchClient
from anthropic_batches_provider.batches.pauses import LOOK_FAILED
from anthropic_batches_provider.batches.watching import Watcher
from anthropic_batches_provider.batches.watching.pace import CALLS_PER_MINUTE
from anthropic_batches_provider.edge import watchers
from anthropic_batches_provider.simulator.control.faults import Fault
from anthropic_batches_provider.triggers import MessageBatchTrigger
from tests.worlds.virtual_time import START, VirtualWorld, run_in_virtual_time

HOUR = 3600.0
POLL_INTERVAL = 300.0
ALONE = 80  # waits for a batch for which no other trigger waits


class Triggerer:
    """Runs triggers as Airflow does: by their serialized arguments, each in a task of its own."""

    def __init__(self, world: VirtualWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        def new_watcher(conn_id: str) -> Watcher:
            return Watcher(conn_id, world.connect, meter=watchers.METER, now=world.now)

        monkeypatch.setattr(watchers, "new_watcher", new_watcher)
        self.world = world
        self.events: list[dict[str, Any]] = []
        self.heard_at: dict[str, float] = {}
        self._running: dict[asyncio.Task[None], str] = {}

    def start(self, trigger: MessageBatchTrigger) -> None:
        _, arguments = trigger.serialize()
        text = json.dumps(arguments)  # in the form that Airflow's database keeps
        task = asyncio.create_task(self._run(MessageBatchTrigger(**json.loads(text))))
        self._running[task] = text

    async def restart(self) -> None:
        """Stop all triggers that have not fired, and start them again from their arguments."""
        unfinished = [text for task, text in self._running.items() if not task.done()]
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        assert watchers._running == {}
        self._running.clear()
        for text in unfinished:
            self.start(MessageBatchTrigger(**json.loads(text)))

    async def finish(self) -> None:
        await asyncio.gather(*self._running)

    async def _run(self, trigger: MessageBatchTrigger) -> None:
        async for event in trigger.run():
            self.events.append(event.payload)
            for batch_id in event.payload["ended"]:
                self.heard_at.setdefault(batch_id, self.world.now())


def test_every_event_comes_once_in_time_and_with_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    async def a_day(world: VirtualWorld) -> None:
        chance = random.Random(1)
        triggerer = Triggerer(world, monkeypatch)
        world.simulator.faults.add(Fault(operation="any", action="status", status=500, probability=0.05))
        lasts = {world.create_batch(lasts=seconds): seconds for seconds in _durations(chance)}
        groups = _groups(list(lasts), chance)
        for number, group in enumerate(groups):
            wait_for = "any" if number % 5 == 4 else "all"
            deadline = START + 26 * HOUR
            triggerer.start(MessageBatchTrigger(group, "claude", POLL_INTERVAL, deadline, wait_for))  # type: ignore[arg-type]
        await asyncio.sleep(6 * HOUR)
        world.is_cut = True
        await asyncio.sleep(HOUR)
        world.is_cut = False
        await asyncio.sleep(3 * HOUR)
        await triggerer.restart()
        await triggerer.finish()

        assert Counter(event["outcome"] for event in triggerer.events) == {"ended": len(groups)}
        assert Counter(tuple(event["batch_ids"]) for event in triggerer.events) == Counter(map(tuple, groups))
        outage_ends = START + 7 * HOUR
        for (batch_id,) in groups[:ALONE]:
            ended = START + lasts[batch_id]
            in_outage = outage_ends - HOUR - POLL_INTERVAL <= ended <= outage_ends
            known_by = (outage_ends + LOOK_FAILED.longest_seconds if in_outage else ended) + POLL_INTERVAL
            assert ended <= triggerer.heard_at[batch_id] <= known_by + 15, "one or two failed polls cost a few seconds"
        _check_calls(world, hours=24)

    run_in_virtual_time(a_day)


def _durations(chance: random.Random) -> list[float]:
    return [chance.choice((chance.uniform(60, 1800), chance.uniform(1800, 24 * HOUR))) for _ in range(120)]


def _groups(batch_ids: list[str], chance: random.Random) -> list[list[str]]:
    """Return the batches of each wait: mostly one, sometimes several, and sometimes batches of other waits, too."""
    groups = [[batch_id] for batch_id in batch_ids[:ALONE]]
    groups += [batch_ids[ALONE + 4 * number : ALONE + 4 * number + 4] for number in range(10)]
    return groups + [chance.sample(batch_ids[ALONE:], 5) for _ in range(10)]


def _check_calls(world: VirtualWorld, *, hours: float) -> None:
    minutes = Counter(int(moment // 60) for moment in world.called_at)
    assert max(minutes.values()) <= CALLS_PER_MINUTE / 4
    looks_without_sharing = 100 * hours * HOUR / POLL_INTERVAL
    assert len(world.called_at) < looks_without_sharing / 30
    assert all(client.sdk.is_closed() for client in world.clients)


def test_an_outage_of_a_day_ends_at_the_deadline_and_costs_two_calls_in_three_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def a_day(world: VirtualWorld) -> None:
        triggerer = Triggerer(world, monkeypatch)
        world.is_cut = True
        for _ in range(50):
            triggerer.start(
                MessageBatchTrigger([world.create_batch(lasts=60)], "claude", 60, deadline=START + 24 * HOUR)
            )
        await triggerer.finish()
        assert Counter(event["outcome"] for event in triggerer.events) == {"deadline": 50}
        assert all("the line is cut" in event["still_running"][0] for event in triggerer.events)
        assert 0 <= world.now() - START - 24 * HOUR <= 12, "a last poll is tried for ten seconds"
        assert len(world.called_at) < 24 * 60 * 2 / 3

    run_in_virtual_time(a_day)


def test_batches_of_another_workspace_are_given_up_after_ten_minutes_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def half_an_hour(world: VirtualWorld) -> None:
        triggerer = Triggerer(world, monkeypatch)
        for batch_id in ["msgbatch_foreign", *(world.create_batch(lasts=1500) for _ in range(20))]:
            triggerer.start(MessageBatchTrigger([batch_id], "claude", 60))
        await asyncio.sleep(590)
        assert triggerer.events == []
        await asyncio.sleep(250)
        (event,) = triggerer.events
        assert (event["outcome"], event["lost"]) == ("not_found", ["msgbatch_foreign"])
        await triggerer.finish()
        assert Counter(event["outcome"] for event in triggerer.events) == {"not_found": 1, "ended": 20}

    run_in_virtual_time(half_an_hour)


def test_a_batch_that_cannot_be_found_for_six_minutes_after_its_creation_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def half_an_hour(world: VirtualWorld) -> None:
        triggerer = Triggerer(world, monkeypatch)
        hidden = world.create_batch(lasts=900)
        world.simulator.faults.add(
            Fault(operation="retrieve", action="status", status=404, batch_id=hidden, times=9)  # 2, 4 … 120 s apart
        )
        triggerer.start(MessageBatchTrigger([hidden], "claude", 60))
        await triggerer.finish()
        assert [event["outcome"] for event in triggerer.events] == ["ended"]

    run_in_virtual_time(half_an_hour)


def test_a_key_that_is_refused_for_good_is_told_and_one_that_is_rotated_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def an_hour(world: VirtualWorld) -> None:
        triggerer = Triggerer(world, monkeypatch)
        for _ in range(10):
            triggerer.start(MessageBatchTrigger([world.create_batch(lasts=3000)], "claude", 60))
        await asyncio.sleep(600)
        keys = dict(world.simulator.api_keys)
        world.simulator.api_keys = {"sk-ant-new": ("wrkspc_other",)}
        await asyncio.sleep(300)
        world.simulator.api_keys = keys
        await asyncio.sleep(600)
        assert triggerer.events == []
        connections = len(world.clients)
        assert connections > 1, "the connection was read again"
        world.simulator.api_keys = {"sk-ant-new": ("wrkspc_other",)}
        await triggerer.finish()
        assert Counter(event["outcome"] for event in triggerer.events) == {"unreachable": 10}
        assert "refuses the key of connection claude" in triggerer.events[0]["reason"]
        assert len(world.clients) > connections + 3
        assert all(client.sdk.is_closed() for client in world.clients)

    run_in_virtual_time(an_hour)


def test_retry_after_of_one_answer_holds_every_call_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def an_hour(world: VirtualWorld) -> None:
        triggerer = Triggerer(world, monkeypatch)
        for _ in range(100):
            triggerer.start(MessageBatchTrigger([world.create_batch(lasts=3000)], "claude", 10))
        await asyncio.sleep(1000)
        world.simulator.faults.add(Fault(operation="list", action="status", status=429, retry_after=900))
        await asyncio.sleep(20)
        calls = len(world.called_at)
        triggerer.start(MessageBatchTrigger([world.create_batch(lasts=60)], "claude", 10))
        await asyncio.sleep(860)
        assert len(world.called_at) == calls
        await triggerer.finish()
        assert Counter(event["outcome"] for event in triggerer.events) == {"ended": 101}

    run_in_virtual_time(an_hour)


def test_a_connection_that_cannot_be_read_for_hours_ends_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def some_hours(world: VirtualWorld) -> None:
        lookups = 0
        connect = world.connect

        async def failing() -> AsyncMessageBatchClient:
            nonlocal lookups
            lookups += 1
            if world.now() < START + 3 * HOUR:
                raise OSError("the secrets backend is away")
            return await connect()

        monkeypatch.setattr(world, "connect", failing)
        triggerer = Triggerer(world, monkeypatch)
        for _ in range(20):
            triggerer.start(MessageBatchTrigger([world.create_batch(lasts=60)], "claude", 60))
        await asyncio.sleep(2 * HOUR)
        assert lookups < 100
        await triggerer.finish()
        assert Counter(event["outcome"] for event in triggerer.events) == {"ended": 20}
        assert world.now() < START + 3 * HOUR + 130

    run_in_virtual_time(some_hours)
