"""Columns of Parquet that cannot be written: two of one name; and the same, renamed."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator

GIVEN: dict[str, Any] = {
    "rows": [{"id": 1, "words": "good", "parsed_mood": "bad"}],
    "key": "id",
    "keep": "*",
    "model": "claude-haiku-4-5",
    "prompt": "Judge: {{ row.words }}",
    "max_tokens": 100,
    "output_schema": {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]},
    "output_format": "parquet",
}

with DAG(
    "parquet_mistakes",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"output": Param("", type="string")},
) as dag:
    MessageBatchOperator(task_id="clash", destination="{{ params.output }}/clash", **GIVEN)
    MessageBatchOperator(
        task_id="renamed",
        destination="{{ params.output }}/renamed",
        columns={"parsed": "answer"},
        **GIVEN,
    )
