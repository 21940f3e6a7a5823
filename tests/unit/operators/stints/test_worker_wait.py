"""A wait on a worker ends with the trigger's event, or soon after the task was told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from airflow.triggers.base import TriggerEvent

from anthropic_batches_provider.batches.submission import SubmissionStoppedError
from anthropic_batches_provider.operators.stints import worker_wait
from anthropic_batches_provider.operators.stints.worker_wait import event_on_worker


class Fires:
    """Fires after some turns of the loop; waits for ever if there are none."""

    def __init__(self, *, after: int | None) -> None:
        self.after = after
        self.has_let_go = False

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            if self.after is None:
                await asyncio.Event().wait()
            for _ in range(self.after or 0):
                await asyncio.sleep(0)
            yield TriggerEvent({"outcome": "ended", "turns": self.after})
        finally:
            self.has_let_go = True


class EndsOrFails(Fires):
    def __init__(self, error: Exception | None) -> None:
        super().__init__(after=0)
        self.error = error

    async def run(self) -> AsyncIterator[TriggerEvent]:
        if self.error is not None:
            raise self.error
        for event in list[TriggerEvent]():
            yield event


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_wait._LOOKS_AT_STOP_SECONDS <= 5, "the bound that the docs give"
    monkeypatch.setattr(worker_wait, "_LOOKS_AT_STOP_SECONDS", 0.01)


@pytest.mark.parametrize("after", [0, 100])
def test_the_event_of_the_trigger_is_returned(after: int) -> None:
    assert event_on_worker(Fires(after=after), lambda: False) == {"outcome": "ended", "turns": after}


def test_a_task_that_is_told_to_stop_lets_go_of_the_wait() -> None:
    trigger, answers = Fires(after=None), iter([False, False, True])
    with pytest.raises(SubmissionStoppedError, match="They run on, and a retry continues"):
        event_on_worker(trigger, lambda: next(answers))
    assert trigger.has_let_go


def test_an_exception_in_the_middle_of_the_wait_ends_it() -> None:
    """Airflow ends a task that exceeds its ``execution_timeout`` with an exception, wherever its code is."""

    def too_long() -> bool:
        raise TimeoutError("execution_timeout")

    trigger = Fires(after=None)
    with pytest.raises(TimeoutError, match="execution_timeout"):
        event_on_worker(trigger, too_long)
    assert trigger.has_let_go


def test_a_trigger_that_fails_or_ends_without_an_event_is_an_error() -> None:
    with pytest.raises(ValueError, match="broken"):
        event_on_worker(EndsOrFails(ValueError("broken")), lambda: False)
    with pytest.raises(RuntimeError, match="without an event"):
        event_on_worker(EndsOrFails(None), lambda: False)
