"""The main job on workers alone: in one task, decorated, and step by step, with a window of one shard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, task

from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

ASKED: dict[str, Any] = {
    "key": "id",
    "model": "claude-haiku-4-5",
    "prompt": "Say {{ row.id }}",
    "max_tokens": 10,
    "max_requests_per_shard": 2,
    "max_requests_in_flight": 2,
    "poll_interval": 1,
    "deferrable": False,
}
ROWS = [{"id": number} for number in range(4)]

with DAG("on_the_worker", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(task_id="one_task", rows=ROWS, **ASKED)

    @task.message_batch(**ASKED)
    def decorated() -> Iterator[dict[str, int]]:
        yield from ROWS

    decorated()
    submit = MessageBatchSubmitOperator(task_id="submit", rows=ROWS, **ASKED)
    wait = MessageBatchSensor(task_id="wait", job=submit.output, deferrable=False, poke_interval=1)
    wait >> MessageBatchResultsOperator(task_id="results", job=submit.output)

with DAG("too_long", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as too_long:
    MessageBatchOperator(
        task_id="limited", rows=ROWS, execution_timeout=pendulum.duration(seconds=8), **{**ASKED, "poll_interval": 60}
    )
