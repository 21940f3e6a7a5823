"""A wait that no worker has prepared: it reads rendered arguments, keeps its deadline, and ends like other waits."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from anthropic_batches_provider.hooks import MessageBatchHook
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.start_triggers import MessageBatchStartTrigger

ARGUMENTS = {
    "batch_ids": "{{ params.batch_ids }}",
    "conn_id": "claude",
    "poll_interval": 0.1,
    "timeout": 600.0,
    "cancel_on_kill": True,
}


def test_every_argument_survives_serialization_and_comes_in_plain_json() -> None:
    path, arguments = MessageBatchStartTrigger(**ARGUMENTS).serialize()  # type: ignore[arg-type]
    assert path == "anthropic_batches_provider.start_triggers.MessageBatchStartTrigger"
    assert json.loads(json.dumps(arguments)) == arguments == ARGUMENTS
    assert MessageBatchStartTrigger(**arguments).serialize() == (path, arguments)


@pytest.fixture
def batch_id(message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_CLAUDE", message_batch_simulator.airflow_connection_json)
    message_batch_simulator.control.change_settings(batch_duration=3600.0)
    params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    return MessageBatchHook("claude").create_batch([{"custom_id": "a", "params": params}]).id


def trigger(**changes: Any) -> MessageBatchStartTrigger:
    return MessageBatchStartTrigger(**{**ARGUMENTS, **changes})


async def fired(started: MessageBatchStartTrigger) -> list[dict[str, Any]]:
    return [event.payload async for event in started.run()]


@pytest.mark.heavy
async def test_it_fires_once_when_the_batches_have_ended(
    message_batch_simulator: MessageBatchSimulator, batch_id: str
) -> None:
    waiting = asyncio.ensure_future(fired(trigger(batch_ids=f"['{batch_id}']")))
    while not message_batch_simulator.control.received().calls.get("retrieve"):  # noqa: ASYNC110 - a server counts them
        await asyncio.sleep(0.02)
    message_batch_simulator.control.end_batches()
    (event,) = await waiting
    assert (event["outcome"], event["ended"]) == ("ended", [batch_id])
    assert event["request_counts"]["succeeded"] == 1


async def test_the_deadline_is_what_airflow_keeps_less_the_grace_whoever_runs_the_trigger(batch_id: str) -> None:
    started = trigger(batch_ids=batch_id)
    started.timeout_after = datetime.fromtimestamp(time.time() + 600 - 3600, UTC)  # an hour ago, on another triggerer
    (event,) = await fired(started)
    assert event["outcome"] == "deadline"
    assert batch_id in event["still_running"][0]


async def test_without_what_airflow_keeps_the_timeout_counts_from_now(batch_id: str) -> None:
    (event,) = await fired(trigger(batch_ids=batch_id, timeout=0.2))
    assert event["outcome"] == "deadline"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch_ids": "[]"}, "must be ids"),
        ({"batch_ids": "None"}, "batch_ids= holds 'None'"),
        ({"conn_id": "nobody"}, "no connection nobody"),
    ],
)
async def test_an_argument_of_no_use_is_told_at_once(
    message_batch_simulator: MessageBatchSimulator, batch_id: str, changes: dict[str, Any], reason: str
) -> None:
    (event,) = await fired(trigger(**{"batch_ids": batch_id, **changes}))
    assert event["outcome"] == "invalid"
    assert reason in event["reason"]
    assert "retrieve" not in message_batch_simulator.control.received().calls


async def test_a_kill_before_anything_was_waited_for_cancels_nothing(
    message_batch_simulator: MessageBatchSimulator, batch_id: str
) -> None:
    started = trigger(batch_ids=batch_id)
    await started.on_kill()
    await started.cleanup()
    assert "cancel" not in message_batch_simulator.control.received().calls
