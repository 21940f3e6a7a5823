"""End to end in one task: twelve shards through a window of three, retried after a crash."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, Param

from anthropic_batches_provider.operators import MessageBatchOperator

with DAG(
    "one_task",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"rows": Param("", type="string"), "destination": Param("", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="label",
        rows="{{ params.rows }}",
        key="number",
        model="claude-haiku-4-5",
        prompt="Label this passage: {{ row.text }}",
        max_tokens=10,
        destination="{{ params.destination }}",
        max_requests_per_shard=5,
        max_requests_in_flight=15,
        poll_interval=2,
        retries=2,
        retry_delay=timedelta(seconds=1),
        outlets=[Asset("labels"), AssetAlias("labels_of_the_day")],
    )
