"""What every task can do, in one DAG for each test: wait on its worker, take templates, tell how long it has waited."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, task

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sensors import MessageBatchSensor
from anthropic_batches_provider.sources import read_rows

A_TRY = timedelta(seconds=40 * float(os.environ.get("TIMEOUT_FACTOR", "1")))
START = pendulum.datetime(2026, 1, 1, tz="UTC")
ASKED: dict[str, Any] = {"key": "id", "model": "claude-haiku-4-5", "prompt": "{{ run_id }} {{ row.id }}"}


def rows(number: int) -> list[dict[str, int]]:
    """Return so many rows; a test knows a task's batch by its size."""
    return [{"id": each} for each in range(number)]


with DAG("conventions_killed", schedule=None, start_date=START):
    MessageBatchOperator(
        task_id="label",
        rows=rows(3),
        max_tokens=10,
        deferrable=False,
        poll_interval=3600,
        **ASKED,
    )

with DAG("conventions_limited", schedule=None, start_date=START):
    MessageBatchOperator(
        task_id="label",
        rows=rows(4),
        max_tokens=10,
        deferrable=False,
        poll_interval=3600,
        execution_timeout=A_TRY,
        retries=20,  # on a busy machine, the first tries may end before they have sent anything
        retry_delay=timedelta(seconds=1),
        on_kill="cancel",
        **ASKED,
    )

with DAG("conventions_cleared", schedule=None, start_date=START):
    MessageBatchOperator(
        task_id="label",
        rows=rows(5),
        max_tokens=10,
        deferrable=False,
        poll_interval=2,
        on_kill="cancel",
        **ASKED,
    )

with DAG("conventions_deferred", schedule=None, start_date=START, params={"batch_ids": []}):
    MessageBatchSensor(task_id="label", batch_ids="{{ params.batch_ids }}", poke_interval=2)

with DAG("conventions_doubtful", schedule=None, start_date=START):
    MessageBatchOperator(task_id="label", rows=rows(6), max_tokens=10, poll_interval=2, **ASKED)

with DAG(
    "conventions_templated",
    schedule=None,
    start_date=START,
    params={"max_tokens": 25, "share": 0.2, "user": "u-1", "betas": ["b-1"], "output": ""},
):
    label = MessageBatchOperator(
        task_id="label",
        rows=[*rows(7), {"id": None}],
        max_tokens="{{ params.max_tokens }}",
        message_params={"metadata": {"user_id": "{{ params.user }}"}},
        betas="{{ params.betas }}",
        max_failed_rows="{{ params.share }}",
        destination="{{ params.output }}",
        keep_requests=True,
        poll_interval=2,
        **ASKED,
    )

    @task
    def summary(manifest: Any) -> dict[str, list[Any]]:
        """Read the rows of the task before."""
        found = list(read_rows(manifest))
        return {"ids": [row["id"] for row in found], "results": [row["result_type"] for row in found]}

    summary(label.output)
