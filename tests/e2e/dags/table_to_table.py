"""End to end from a table to a table: the reviews of a month in a database, and their labels beside them."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import SqlRows

LABEL = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
    "required": ["label", "score"],
    "additionalProperties": False,
}

with DAG("table_to_table", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(
        task_id="label",
        rows=SqlRows("reviews", "SELECT id, price, text FROM reviews WHERE month = '{{ ds }}' ORDER BY id"),
        key="id",
        keep="price",
        model="claude-haiku-4-5",
        prompt="Label this review: {{ row.text }}",
        max_tokens=50,
        output_schema=LABEL,
        columns={"parsed": "", "usage": None},
        destination=SqlTable("reviews", "labels", create=True),
        max_requests_per_shard=5,
        poll_interval=2,
        retries=2,
        retry_delay=timedelta(seconds=1),
        outlets=[Asset("labels_in_a_table")],
    )
