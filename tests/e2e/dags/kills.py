"""A job whose waiting task cancels its batches when it is killed for good."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sensors import MessageBatchSensor

with DAG("kills", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    submit = MessageBatchSubmitOperator(
        task_id="submit",
        rows=[{"n": number} for number in range(3)],
        key="n",
        model="claude-haiku-4-5",
        prompt="Number {{ row.n }} of {{ run_id }}",
        max_tokens=10,
    )
    wait = MessageBatchSensor(task_id="wait", job=submit.output, poke_interval=2, on_kill="cancel")
    results = MessageBatchResultsOperator(task_id="results", job=submit.output, max_failed_rows=3)
    submit >> wait >> results
