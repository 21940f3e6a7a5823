"""Waits on the worker, in place of a deferral: with the same trigger, and so with the same checks, log and event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

_LOOKS_AT_STOP_SECONDS = 2.0


class Trigger(Protocol):
    """What a deferred task would hand to the triggerer."""

    def run(self) -> Any:
        """Return an async iterator of events, of which the first counts."""


def event_on_worker(trigger: Trigger, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Wait until a trigger fires, and return its event.

    :param should_stop: whether the task was told to stop; asked every two seconds.
    :raises SubmissionStoppedError: it was; its batches run on.
    """
    return asyncio.run(_event(trigger, should_stop))


async def _event(trigger: Trigger, should_stop: Callable[[], bool]) -> dict[str, Any]:
    from anthropic_batches_provider.batches.submission import SubmissionStoppedError

    waiting = asyncio.ensure_future(_first_event(trigger))
    while not (await asyncio.wait((waiting,), timeout=_LOOKS_AT_STOP_SECONDS))[0]:
        if should_stop():
            waiting.cancel()
            raise SubmissionStoppedError("Told to stop while waiting for batches. They run on, and a retry continues.")
    return waiting.result()


async def _first_event(trigger: Trigger) -> dict[str, Any]:
    async for event in trigger.run():
        payload: dict[str, Any] = event.payload
        return payload
    raise RuntimeError("The trigger ended without an event. Clear the task to wait again; no batch was touched.")
