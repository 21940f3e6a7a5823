"""The main job twice, in one task and step by step, with a question that the author of the DAG corrects."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, TriggerRule

from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

ASKED: dict[str, Any] = {
    "rows": [{"id": number} for number in range(3)],
    "key": "id",
    "model": "{{ params.model }}",
    "prompt": "{{ params.word }} {{ row.id }}",
    "max_tokens": 10,
}

with DAG(
    "undo",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"model": Param("claude-haiku-4-5", type="string"), "word": Param("say", type="string")},
) as dag:
    MessageBatchOperator(task_id="one_task", **ASKED)
    submit = MessageBatchSubmitOperator(task_id="submit", **ASKED)
    wait = MessageBatchSensor(task_id="wait", job=submit.output)
    results = MessageBatchResultsOperator(task_id="results", job=submit.output, trigger_rule=TriggerRule.ALL_SUCCESS)
    wait >> results
