"""The main job; everything that a test changes is a DAG parameter."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sensors import MessageBatchSensor

with DAG(
    "main_job",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={
        "rows": Param("", type="string"),
        "destination": Param("", type="string"),
        "edition": Param("", type="string"),
    },
) as dag:
    submit = MessageBatchSubmitOperator(
        task_id="submit",
        rows="{{ params.rows }}",
        key="passage_id",
        keep=["year"],
        model="claude-haiku-4-5",
        prompt="Label this passage of {{ row.year }}:\n{{ row.text }}",
        max_tokens=100,
        max_requests_per_shard=5000,
        edition="{{ params.edition }}",
    )
    wait = MessageBatchSensor(task_id="wait", job=submit.output, poke_interval=1)
    results = MessageBatchResultsOperator(
        task_id="results", job=submit.output, destination="{{ params.destination }}", max_failed_rows=0.1
    )
    submit >> wait >> results
