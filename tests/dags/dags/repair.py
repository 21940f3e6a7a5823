"""Answers that are repaired: in one task, by the decorator, in a mapped task, and in three tasks that are cleared."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
ROWS = [{"id": number, "text": f"row number {number}."} for number in range(5)]
ASKED: dict[str, Any] = {
    "key": "id",
    "model": "claude-haiku-4-5",
    "prompt": "{{ row.text }}",
    "max_tokens": 100,
    "output_schema": SCHEMA,
    "max_failed_rows": 5,
    "repair": {
        "truncated": {"max_tokens": "{{ params.more }}"},
        "invalid_output": {},
        "refusal": {"model": "{{ params.other_model }}"},
        "unfinished": {},
    },
}

with DAG(
    "repair",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={
        "more": Param("400", type="string"),
        "other_model": Param("claude-sonnet-4-6", type="string"),
        "max_rounds": Param("3", type="string"),
    },
) as dag:
    MessageBatchOperator(task_id="one_task", rows=ROWS, **ASKED)

    @task.message_batch(**ASKED)
    def decorated() -> list[dict[str, Any]]:
        return ROWS

    decorated()
    MessageBatchOperator.partial(task_id="mapped", **ASKED).expand(rows=[ROWS])
    submit = MessageBatchSubmitOperator(task_id="submit", rows=ROWS, **ASKED)
    wait = MessageBatchSensor(task_id="wait", job=submit.output)
    results = MessageBatchResultsOperator(task_id="results", job=submit.output, max_failed_rows=5)
    wait >> results
