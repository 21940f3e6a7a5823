"""One task whose rows come from a database, to show when they are read again."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import SqlRows

with DAG(
    "sql_again",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(0)},
    params={"output": Param("", type="string"), "query": Param("SELECT * FROM notes ORDER BY id", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="label",
        rows=SqlRows("warehouse", "{{ params.query }}", {"phrase": "a secret of the parameters"}),
        key="id",
        keep="*",
        column_prefix="claude_",
        prompt="{{ row.text }}",
        model="claude-haiku-4-5",
        max_tokens=5,
        max_requests_per_shard=2,
        max_requests_in_flight=2,
        destination="{{ params.output }}",
    )
