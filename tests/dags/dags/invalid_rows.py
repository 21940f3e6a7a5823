"""One task and two, with a file in which some lines are bad; the limit of the first allows for none."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

ASKED: dict[str, Any] = {
    "rows": "{{ params.folder }}/rows.jsonl",
    "key": "id",
    "model": "claude-haiku-4-5",
    "prompt": "Say {{ row.text }}",
    "max_tokens": 10,
}

with DAG(
    "invalid_rows",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": Param("", type="string")},
) as dag:
    MessageBatchOperator(task_id="strict", **ASKED)
    MessageBatchOperator(task_id="lenient", max_failed_rows=0.5, destination="{{ params.folder }}/lenient", **ASKED)
    submit = MessageBatchSubmitOperator(task_id="submit", max_failed_rows=3, **ASKED)
    wait = MessageBatchSensor(task_id="wait", job=submit.output)
    results = MessageBatchResultsOperator(
        task_id="results", job=submit.output, max_failed_rows=2, destination="{{ params.folder }}/results"
    )
    wait >> results
