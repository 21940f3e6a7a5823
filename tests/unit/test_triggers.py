"""The trigger keeps its arguments; a kill cancels batches only if that was requested and the kill is certain."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from anthropic_batches_provider import triggers
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.hooks import MessageBatchHook
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.triggers import MessageBatchTrigger

ARGUMENTS: dict[str, Any] = {
    "batch_ids": ["msgbatch_1", "msgbatch_2"],
    "conn_id": "claude",
    "poll_interval": 30.0,
    "deadline": 1_800_000_000.0,
    "wait_for": "any",
    "cancel_on_kill": ["msgbatch_1"],
}
PARAMS = {"model": "claude-haiku-4-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello"}]}


def test_every_argument_survives_serialization() -> None:
    path, arguments = MessageBatchTrigger(**ARGUMENTS).serialize()
    assert path == "anthropic_batches_provider.triggers.MessageBatchTrigger"
    assert json.loads(json.dumps(arguments)) == ARGUMENTS
    assert MessageBatchTrigger(**arguments).serialize() == (path, arguments)


@pytest.mark.parametrize("argument", ["batch_ids", "cancel_on_kill"])
@pytest.mark.parametrize("ids", [["None"], ["msgbatch_1", None], ["../x"], "msgbatch_1"])
def test_what_is_no_id_is_refused_when_the_trigger_is_made(argument: str, ids: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{argument}= (holds|is the text)"):
        MessageBatchTrigger(**{**ARGUMENTS, argument: ids})


async def test_in_a_triggerer_it_fires_only_when_airflow_has_noticed_the_deferral(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cleared task waits for batches that have ended; Airflow fails a task whose trigger fires too early."""
    monkeypatch.setenv("AIRFLOW_CONN_CLAUDE", message_batch_simulator.airflow_connection_json)
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "1")
    batch_id = MessageBatchHook("claude").create_batch([{"custom_id": "a", "params": PARAMS}]).id
    message_batch_simulator.control.end_batches()

    async def seconds_to_fire(trigger_id: int | None) -> float:
        trigger = MessageBatchTrigger([batch_id], "claude", poll_interval=60.0)
        trigger.trigger_id = trigger_id
        began = time.monotonic()
        (event,) = [event.payload async for event in trigger.run()]
        assert event["outcome"] == "ended"
        return time.monotonic() - began

    in_a_triggerer, by_itself = await asyncio.gather(seconds_to_fire(7), seconds_to_fire(None))
    assert in_a_triggerer >= 2.0
    assert by_itself < 1.5


class Kill:
    """A trigger that waits for two batches; its task wants the first one canceled."""

    def __init__(self, simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch, *, is_over: bool) -> None:
        async def look(_: object) -> bool:
            await asyncio.sleep(0.05)
            return is_over

        monkeypatch.setattr(triggers, "is_over_async", look)
        monkeypatch.setenv("AIRFLOW_CONN_CLAUDE", simulator.airflow_connection_json)
        simulator.control.change_settings(batch_duration=3600, cancel_duration=3600)
        self._hook = MessageBatchHook("claude")
        self._simulator = simulator
        self.batch_ids = [self._hook.create_batch([{"custom_id": "a", "params": PARAMS}]).id for _ in range(2)]
        self.trigger = MessageBatchTrigger(
            **{**ARGUMENTS, "batch_ids": self.batch_ids, "cancel_on_kill": self.batch_ids[:1]}
        )

    def canceled(self) -> list[str]:
        """Return the batches that the simulator is canceling."""
        found = [self._hook.retrieve_batch(batch_id) for batch_id in self.batch_ids]
        return [batch.id for batch in found if batch.processing_status == "canceling"]


async def test_a_task_that_is_over_cancels_what_it_named(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = Kill(message_batch_simulator, monkeypatch, is_over=True)
    await kill.trigger.on_kill()
    assert kill.canceled() == kill.batch_ids[:1]


async def test_a_batch_that_the_service_does_not_know_holds_up_no_other(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = Kill(message_batch_simulator, monkeypatch, is_over=True)
    kill.trigger.cancel_on_kill.insert(0, "msgbatch_gone")
    await kill.trigger.on_kill()
    assert kill.canceled() == kill.batch_ids[:1]


async def test_a_task_that_is_over_because_its_batch_has_ended_cancels_nothing(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A triggerer that stalled comes back and learns that its task is over."""
    kill = Kill(message_batch_simulator, monkeypatch, is_over=True)
    message_batch_simulator.control.end_batches()
    await kill.trigger.on_kill()
    assert "cancel" not in message_batch_simulator.control.received().calls


async def test_a_doubt_and_a_policy_of_leaving_cancel_nothing(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful = Kill(message_batch_simulator, monkeypatch, is_over=False)
    await doubtful.trigger.on_kill()
    leaving = Kill(message_batch_simulator, monkeypatch, is_over=True)
    leaving.trigger.cancel_on_kill = []
    await leaving.trigger.on_kill()
    assert doubtful.canceled() + leaving.canceled() == []


@pytest.mark.parametrize("message", [("user action",), ()])
async def test_airflows_repeated_cancellations_do_not_break_off_the_kill(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch, message: tuple[str, ...]
) -> None:
    kill = Kill(message_batch_simulator, monkeypatch, is_over=True)
    task = asyncio.create_task(kill.trigger.on_kill())
    for _ in range(3):
        await asyncio.sleep(0.02)
        task.cancel(*message)
    await task
    assert kill.canceled() == kill.batch_ids[:1]


async def test_a_kill_that_takes_too_long_is_given_up(
    message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggers, "kill_seconds", lambda: 0.01)
    kill = Kill(message_batch_simulator, monkeypatch, is_over=True)
    with pytest.raises(TimeoutError):
        await kill.trigger.on_kill()
    assert kill.canceled() == []
