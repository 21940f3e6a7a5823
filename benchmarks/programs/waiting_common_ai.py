"""common-ai: each trigger polls by itself, by blocking calls in threads; its operator accepts only 30 s or more."""

from __future__ import annotations

import time

import airflow.providers.common.ai.batch.anthropic  # type: ignore[import-not-found]  # noqa: F401  beforehand
from airflow.providers.common.ai.triggers.llm_batch import LLMBatchTrigger  # type: ignore[import-not-found]
from airflow.triggers.base import BaseTrigger

from benchmarks.waiting.scenario import INTERVAL_SECONDS, PATIENCE_SECONDS


def trigger(batch_id: str, _ends_after: float) -> BaseTrigger:
    waits: BaseTrigger = LLMBatchTrigger(
        llm_conn_id="pydanticai_default",
        adapter="anthropic",
        batch_id=batch_id,
        poll_interval=INTERVAL_SECONDS,
        end_time=time.time() + PATIENCE_SECONDS,
        timeout=PATIENCE_SECONDS,
        cancel_on_kill=True,
        cancel_on_timeout=True,
    )
    return waits
