"""One task whose answers go into a table, to show what is refused before anything is sent, and what is kept."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import SqlRows

with DAG(
    "table_checks",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(0)},
    params={"table": Param("labels", type="string"), "render": Param("", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="label",
        rows=SqlRows("warehouse", "SELECT id, price, word FROM notes ORDER BY id"),
        key="id",
        keep=["price"],
        columns=["result_type", "error_type"],
        prompt="{{ row.word }}",
        model="claude-haiku-4-5",
        max_tokens=5,
        max_requests_per_shard=2,
        max_requests_in_flight=2,
        poll_interval=1,
        destination=SqlTable("warehouse", "{{ params.table }}"),
    )
