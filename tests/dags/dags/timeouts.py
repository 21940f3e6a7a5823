"""Two waits that are too short for their batch."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchSubmitOperator
from anthropic_batches_provider.sensors import MessageBatchSensor

with DAG("timeouts", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    submit = MessageBatchSubmitOperator(
        task_id="submit", rows=[{"n": 1}], prompt="{{ row.n }}", model="claude-haiku-4-5", max_tokens=5
    )
    deferred = MessageBatchSensor(task_id="deferred", job=submit.output, timeout=1)
    poked = MessageBatchSensor(task_id="poked", job=submit.output, timeout=1, poke_interval=0.5, deferrable=False)
    submit >> [deferred, poked]
