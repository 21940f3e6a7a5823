"""Triggers wait together: the real client over HTTP to the simulator, on a real event loop."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.edge import watchers
from anthropic_batches_provider.simulator import SimulatorServer
from anthropic_batches_provider.triggers import MessageBatchTrigger
from tests.worlds.virtual_time import REQUEST

INTERVAL = 0.3
task_id: contextvars.ContextVar[str] = contextvars.ContextVar("task_id")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorServer]:
    with serving("claude", monkeypatch) as server:
        yield server


@contextmanager
def serving(conn_id: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorServer]:
    """Yield a simulator behind an Airflow connection; its batches end when the test ends them."""
    with SimulatorServer() as server:
        server.control.change_settings(batch_duration=3600, retry_after=None)
        connection = {"conn_type": "anthropic_batches", "host": server.base_url, "password": server.api_key}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        yield server


def create(server: SimulatorServer, count: int) -> list[str]:
    body = json.dumps({"requests": [{"custom_id": "a", "params": REQUEST}]}).encode()
    with MessageBatchClient(ClientSettings(api_key=server.api_key, base_url=server.base_url)) as client:
        return [client.create([body], content_length=len(body)).id for _ in range(count)]


async def event_of(*batch_ids: str, conn_id: str = "claude", **arguments: Any) -> dict[str, Any]:
    events = [event async for event in MessageBatchTrigger(batch_ids, conn_id, INTERVAL, **arguments).run()]
    (event,) = events
    payload: dict[str, Any] = event.payload
    return payload


def start(*batch_ids: str, **arguments: Any) -> asyncio.Task[dict[str, Any]]:
    return asyncio.create_task(event_of(*batch_ids, **arguments))


async def ended(server: SimulatorServer) -> None:
    await asyncio.to_thread(server.control.end_batches)


async def looked(server: SimulatorServer, calls: int = 1) -> None:
    """Wait until the simulator has received this many calls."""
    for _ in range(200):
        received = await asyncio.to_thread(server.control.received)
        if sum(received.calls.get(name, 0) for name in ("list", "retrieve")) >= calls:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nobody polled")


def looks(server: SimulatorServer) -> int:
    calls = server.control.received().calls
    return calls.get("list", 0) + calls.get("retrieve", 0)


def nothing_is_left() -> bool:
    return watchers._running == {} and asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_thousand_triggers_share_one_watcher_and_a_few_calls(server: SimulatorServer) -> None:
    batch_ids = await asyncio.to_thread(create, server, 1000)
    threads = threading.active_count()
    waits = [start(batch_id) for batch_id in batch_ids]
    await looked(server, 3)
    assert len(asyncio.all_tasks()) <= 1000 + 2 + 4, "one task for each trigger, one watcher, and its calls"
    await ended(server)
    events = await asyncio.gather(*waits)
    assert [event["outcome"] for event in events] == ["ended"] * 1000
    assert [event["ended"] for event in events] == [[batch_id] for batch_id in batch_ids]
    assert looks(server) <= 30
    assert threading.active_count() - threads <= 4, "of asyncio's pool, for imports and clients"
    assert nothing_is_left()


async def test_the_first_trigger_may_go_and_the_others_wait_on(server: SimulatorServer) -> None:
    batch_ids = await asyncio.to_thread(create, server, 6)
    waits = [start(batch_id) for batch_id in [*batch_ids, batch_ids[0]]]
    await looked(server)
    waits[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits[0]
    await ended(server)
    events = await asyncio.gather(*waits[1:])
    assert [event["ended"] for event in events] == [[batch_id] for batch_id in [*batch_ids[1:], batch_ids[0]]]
    assert nothing_is_left()


async def test_when_all_are_canceled_nothing_is_left_and_nothing_was_touched(server: SimulatorServer) -> None:
    batch_ids = await asyncio.to_thread(create, server, 6)
    waits = [start(batch_id) for batch_id in batch_ids]
    await looked(server)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    assert nothing_is_left()
    assert set(server.control.received().calls) <= {"create", "list", "retrieve"}


async def test_two_connections_have_a_watcher_each(server: SimulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("other", monkeypatch) as other:
        (mine,) = await asyncio.to_thread(create, server, 1)
        (theirs,) = await asyncio.to_thread(create, other, 1)
        waits = [start(mine), start(theirs, conn_id="other")]
        await looked(server)
        await looked(other)
        assert len(watchers._running) == 2
        await ended(server)
        assert (await waits[0])["ended"] == [mine]
        assert not waits[1].done()
        await ended(other)
        assert (await waits[1])["ended"] == [theirs]
    assert nothing_is_left()


async def test_a_failing_connection_does_not_touch_the_waits_of_another(
    server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", json.dumps({"conn_type": "anthropic_batches"}))
    (batch_id,) = await asyncio.to_thread(create, server, 1)
    broken, whole = start(batch_id, conn_id="broken"), start(batch_id)
    await looked(server)
    await ended(server)
    assert (await whole)["outcome"] == "ended"
    assert not broken.done()
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", os.environ["AIRFLOW_CONN_CLAUDE"])
    assert (await broken)["outcome"] == "ended", "a fixed connection is found"


def test_each_event_loop_has_its_own_watcher_as_when_dags_are_tested(server: SimulatorServer) -> None:
    for batch_id in create(server, 3):
        server.control.end_batches()
        assert asyncio.run(event_of(batch_id))["ended"] == [batch_id]
        assert watchers._running == {}


def test_a_loop_that_ends_in_the_middle_of_a_wait_leaves_nothing(server: SimulatorServer) -> None:
    (batch_id,) = create(server, 1)

    async def leave() -> None:
        start(batch_id)
        await looked(server)

    asyncio.run(leave())
    assert watchers._running == {}
    server.control.end_batches()
    assert asyncio.run(event_of(batch_id))["outcome"] == "ended"


async def test_a_deadline_is_told_with_what_still_runs(server: SimulatorServer) -> None:
    (batch_id,) = await asyncio.to_thread(create, server, 1)
    event = await event_of(batch_id, deadline=time.time() + 0.5)
    assert event["outcome"] == "deadline"
    assert "in_progress" in event["still_running"][0]
    assert nothing_is_left()


async def test_states_are_told_by_the_task_that_waits_and_calls_by_nobody(
    server: SimulatorServer, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, str | None]] = []

    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append((record.getMessage(), task_id.get(None)))

    handler = Telling()
    logging.getLogger().addHandler(handler)
    caplog.set_level(logging.INFO)
    batch_ids = await asyncio.to_thread(create, server, 2)
    try:
        waits = []
        for batch_id in batch_ids:
            task_id.set(f"waits for {batch_id}")
            waits.append(start(batch_id))
        task_id.set("the test")
        await looked(server, 4)
        await ended(server)
        await asyncio.gather(*waits)
    finally:
        logging.getLogger().removeHandler(handler)
    for batch_id in batch_ids:
        states = [(text, who) for text, who in told if text.startswith(f"{batch_id}: ")]
        assert [who for _, who in states] == [f"waits for {batch_id}"] * 2
        assert "in_progress" in states[0][0]
        assert "ended at" in states[1][0]
    assert [text for text, _ in told if "HTTP Request" in text] == []


def test_nothing_blocks_the_loop(tmp_path: Path) -> None:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1"}
    command = [sys.executable, "-m", "tests.worlds.unblocked_waits"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "internal error" not in ran.stdout + ran.stderr


class RecordedStats:
    """Stands in for the sender of Airflow's metrics."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, float, Any]] = []

    def incr(self, name: str, count: int = 1, *, tags: Any = None) -> None:
        self.sent.append(("incr", name, count, tags))

    def gauge(self, name: str, value: float) -> None:
        self.sent.append(("gauge", name, value, None))

    def timing(self, name: str, milliseconds: float) -> None:
        self.sent.append(("timing", name, milliseconds, None))


async def test_metrics_count_calls_failures_waiting_batches_and_their_time_and_name_none(
    server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats = RecordedStats()
    meter = watchers.StatsMeter()
    meter._stats = stats
    monkeypatch.setattr(watchers, "METER", meter)
    server.control.add_fault("list", "status", status=529, nth=2)
    batch_ids = await asyncio.to_thread(create, server, 5)
    waits = [start(batch_id) for batch_id in batch_ids]
    await looked(server, 3)
    await ended(server)
    await asyncio.gather(*waits)
    assert ("incr", "anthropic_batches.poll_failures", 1, {"kind": "overloaded"}) in stats.sent
    polls = [sent for sent in stats.sent if sent[1] == "anthropic_batches.polls"]
    assert len(polls) == looks(server)
    gauged = [value for how, name, value, _ in stats.sent if name == "anthropic_batches.batches_waiting"]
    assert (gauged[0], gauged[-1]) == (5, 0)
    times = [value for how, name, value, _ in stats.sent if name == "anthropic_batches.time_to_end"]
    assert len(times) == 5
    assert all(0 < milliseconds < 60_000 for milliseconds in times)
    assert "msgbatch" not in repr(stats.sent)


class BrokenStats:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("the metrics' host is away")


async def test_metrics_that_cannot_be_sent_end_no_wait(
    server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = watchers.StatsMeter()
    meter._stats = BrokenStats()
    monkeypatch.setattr(watchers, "METER", meter)
    (batch_id,) = await asyncio.to_thread(create, server, 1)
    await asyncio.to_thread(server.control.end_batches)
    assert (await event_of(batch_id))["outcome"] == "ended"


def test_airflows_metrics_take_what_is_sent() -> None:
    meter = watchers.StatsMeter()
    meter.prepare()
    assert meter._stats is not None
    meter._stats.incr("anthropic_batches.polls", tags={"operation": "list"})
    meter._stats.gauge("anthropic_batches.batches_waiting", 3)
    meter._stats.timing("anthropic_batches.time_to_end", 1234.5)
