"""A job whose submitting task is retried after a crash."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sensors import MessageBatchSensor

with DAG(
    "crashes",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
) as dag:
    submit = MessageBatchSubmitOperator(
        task_id="submit",
        rows=[{"n": number} for number in range(3)],
        key="n",
        model="claude-haiku-4-5",
        prompt="Number {{ row.n }} of {{ run_id }}",
        max_tokens=10,
    )
    wait = MessageBatchSensor(task_id="wait", job=submit.output, poke_interval=2)
    results = MessageBatchResultsOperator(task_id="results", job=submit.output)
    submit >> wait >> results
