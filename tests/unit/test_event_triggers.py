"""The event trigger keeps its arguments, and reports of a batch everything needed to collect it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from anthropic_batches_provider.edge import ended_batch_watch
from anthropic_batches_provider.errors import (
    ConfigurationError,
)
from anthropic_batches_provider.event_triggers import MessageBatchEventTrigger
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator


def test_every_argument_survives_serialization_and_comes_in_plain_json() -> None:
    trigger = MessageBatchEventTrigger("claude", 30, ["expired", "errored"])
    path, arguments = trigger.serialize()
    assert path == "anthropic_batches_provider.event_triggers.MessageBatchEventTrigger"
    assert json.loads(json.dumps(arguments)) == arguments
    assert MessageBatchEventTrigger(**arguments).serialize() == (path, arguments)


@pytest.mark.parametrize("arguments", [{"poll_interval": 0}, {"with_results": ["failed"]}])
def test_an_argument_that_cannot_be_right_shows_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        MessageBatchEventTrigger(**arguments)


async def test_it_fires_once_for_a_batch_that_ends_and_says_what_is_needed_to_collect_it(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CLAUDE", message_batch_simulator.airflow_connection_json)
    monkeypatch.setattr(ended_batch_watch, "_HANDED_OVER_SECONDS", 0.0)
    control = message_batch_simulator.control
    control.change_settings(batch_duration=3600.0)
    ids = [await created(message_batch_simulator) for _ in range(2)]
    everything, failures = (
        MessageBatchEventTrigger("claude", 0.05),
        MessageBatchEventTrigger("claude", 0.05, ["expired"]),
    )
    events, expiries = everything.run(), failures.run()
    first, expired = asyncio.ensure_future(anext(events)), asyncio.ensure_future(anext(expiries))
    while control.received().calls.get("list", 0) < 6:  # noqa: ASYNC110 - another process counts them
        await asyncio.sleep(0.05)
    control.end_batches([ids[1]])
    payload = (await first).payload
    assert set(payload) == {"batch_id", "conn_id", "request_counts", "created_at", "ended_at"}
    assert (payload["batch_id"], payload["conn_id"]) == (ids[1], "claude")
    assert payload["request_counts"]["succeeded"] == 1
    second = asyncio.ensure_future(anext(events))
    control.end_batches(unfinished="expire")
    assert (await second).payload["batch_id"] == (await expired).payload["batch_id"] == ids[0]
    for stream in (events, expiries):
        await stream.aclose()  # type: ignore[attr-defined]


async def created(simulator: MessageBatchSimulator) -> str:
    """Create a batch of one request; return its id."""
    from anthropic_batches_provider.hooks import MessageBatchHook

    params = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    hook = MessageBatchHook("claude")
    return (await asyncio.to_thread(hook.create_batch, [{"custom_id": "a", "params": params}])).id
