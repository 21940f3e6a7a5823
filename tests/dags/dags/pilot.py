"""Thirty rows, five of which go first: in one task, and in three."""

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

with DAG(
    "pilot",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"region": Param("us", type="string"), "destination": Param("", type="string")},
) as dag:
    QUESTION: dict[str, Any] = {
        "rows": [{"number": number} for number in range(30)],
        "key": "number",
        "model": "claude-haiku-5-5",
        "max_tokens": 10,
        "message_params": {"inference_geo": "{{ params.region }}"},
        "pilot": 5,
        "poll_interval": 1,
    }
    MessageBatchOperator(
        task_id="label",
        prompt="Label {{ row.number }}",
        destination="{{ params.destination }}/label",
        **QUESTION,
    )
    submit = MessageBatchSubmitOperator(task_id="submit", prompt="Ask {{ row.number }}", **QUESTION)
    wait = MessageBatchSensor(task_id="wait", job=submit.output, poke_interval=1)
    results = MessageBatchResultsOperator(
        task_id="results", job=submit.output, destination="{{ params.destination }}/results"
    )
    submit >> wait >> results
