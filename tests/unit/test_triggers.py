"""The trigger keeps its arguments, and a kill cancels batches only where that was asked for and is certain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anthropic_batches_provider import triggers
from anthropic_batches_provider.triggers import MessageBatchTrigger

ARGUMENTS = {
    "batch_ids": ["msgbatch_1", "msgbatch_2"],
    "conn_id": "claude",
    "poll_interval": 30.0,
    "deadline": 1_800_000_000.0,
    "wait_for": "any",
    "cancel_on_kill": ["msgbatch_1"],
}


def test_every_argument_survives_serialization() -> None:
    path, arguments = MessageBatchTrigger(**ARGUMENTS).serialize()  # type: ignore[arg-type]
    assert path == "anthropic_batches_provider.triggers.MessageBatchTrigger"
    assert arguments == ARGUMENTS
    assert MessageBatchTrigger(**arguments).serialize() == (path, arguments)


class Canceling:
    """A client that takes its time."""

    def __init__(self) -> None:
        self.canceled: list[str] = []

    async def cancel(self, batch_id: str) -> None:
        await asyncio.sleep(0.05)
        self.canceled.append(batch_id)

    async def close(self) -> None:
        return


def killed(monkeypatch: pytest.MonkeyPatch, *, is_over: bool, **changes: Any) -> tuple[MessageBatchTrigger, Canceling]:
    async def look(_: object) -> bool:
        await asyncio.sleep(0.05)
        return is_over

    monkeypatch.setattr(triggers, "is_over_async", look)
    trigger = MessageBatchTrigger(**{**ARGUMENTS, **changes})
    client = Canceling()
    trigger._client = client  # type: ignore[assignment]
    return trigger, client


async def test_a_task_that_is_over_cancels_what_it_named(monkeypatch: pytest.MonkeyPatch) -> None:
    trigger, client = killed(monkeypatch, is_over=True)
    await trigger.on_kill()
    assert client.canceled == ["msgbatch_1"]


async def test_a_doubt_and_a_policy_of_leaving_cancel_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_over, named in ((False, ["msgbatch_1"]), (True, [])):
        trigger, client = killed(monkeypatch, is_over=is_over, cancel_on_kill=named)
        await trigger.on_kill()
        assert client.canceled == []


@pytest.mark.parametrize("message", [("user action",), ()])
async def test_airflows_repeated_cancellations_do_not_break_off_the_kill(
    monkeypatch: pytest.MonkeyPatch, message: tuple[str, ...]
) -> None:
    trigger, client = killed(monkeypatch, is_over=True)
    kill = asyncio.create_task(trigger.on_kill())
    for _ in range(3):
        await asyncio.sleep(0.02)
        kill.cancel(*message)
    await kill
    assert client.canceled == ["msgbatch_1"]


async def test_a_kill_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "_KILL_SECONDS", 0.01)
    trigger, client = killed(monkeypatch, is_over=True)
    with pytest.raises(TimeoutError):
        await trigger.on_kill()
    assert client.canceled == []
