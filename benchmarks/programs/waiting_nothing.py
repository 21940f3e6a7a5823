"""The floor: triggers that only sleep, and so cost only what Airflow, the event loop and the garbage collector cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class SleepingTrigger(BaseTrigger):
    """Fires after some seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "benchmarks.programs.waiting_nothing.SleepingTrigger", {"seconds": self.seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(self.seconds)
        yield TriggerEvent({"outcome": "ended"})


def trigger(_batch_id: str, ends_after: float) -> SleepingTrigger:
    return SleepingTrigger(ends_after)
