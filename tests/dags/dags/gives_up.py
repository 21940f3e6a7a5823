"""Waits that end before their batches: skipped, or canceling the batches, in every way to wait."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.sensors import MessageBatchSensor


def gives_up(task_id: str, **kwargs: Any) -> MessageBatchSensor:
    """Wait for a second, in one of the ways to wait."""
    return MessageBatchSensor(
        task_id=task_id,
        batch_ids=f"{{{{ params['{task_id}'] }}}}",
        poke_interval=0.2,
        timeout=1,
        on_timeout="cancel",
        soft_fail=True,
        **kwargs,
    )


with DAG("gives_up", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    gives_up("deferred")
    gives_up("poked", deferrable=False)
    gives_up("rescheduled", deferrable=False, mode="reschedule")
