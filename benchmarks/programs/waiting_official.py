"""The official provider: each trigger polls by itself, by blocking calls in threads."""

from __future__ import annotations

import time

from airflow.providers.anthropic.triggers.batch import AnthropicBatchTrigger  # type: ignore[import-not-found]
from airflow.triggers.base import BaseTrigger

from benchmarks.waiting.scenario import INTERVAL_SECONDS, PATIENCE_SECONDS


def trigger(batch_id: str, _ends_after: float) -> BaseTrigger:
    waits: BaseTrigger = AnthropicBatchTrigger(
        conn_id="anthropic_default",
        batch_id=batch_id,
        poll_interval=INTERVAL_SECONDS,
        end_time=time.time() + PATIENCE_SECONDS,
    )
    return waits
