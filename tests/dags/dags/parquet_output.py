"""From Parquet to Parquet: in one task with further rounds and repairs, and in three tasks."""

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

SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["good", "bad"]},
        "stars": {"type": "integer"},
        "parts": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["mood", "stars"],
}
ASKED: dict[str, Any] = {
    "rows": "{{ params.folder }}/rows.parquet",
    "key": "id",
    "keep": "*",
    "model": "claude-haiku-4-5",
    "prompt": "Judge: {{ row.words }}",
    "max_tokens": 100,
    "output_schema": SCHEMA,
    "max_failed_rows": 0.5,
    "max_requests_per_shard": 2,
}

with DAG(
    "parquet_output",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": Param("", type="string"), "output": Param("", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="one_task",
        destination="{{ params.output }}/one_task",
        output_format="parquet",
        repair={"invalid_output": {}},
        max_rounds=2,
        **ASKED,
    )
    submit = MessageBatchSubmitOperator(task_id="submit", **ASKED)
    wait = MessageBatchSensor(task_id="wait", job=submit.output)
    results = MessageBatchResultsOperator(
        task_id="results",
        job=submit.output,
        destination="{{ params.output }}/results",
        output_format="parquet",
        include_message=True,
        max_failed_rows=5,
    )
    submit >> wait >> results
