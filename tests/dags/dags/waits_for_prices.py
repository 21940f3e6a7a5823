"""A task that waits for its batch, and takes its prices from the connection."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator

with DAG("waits_for_prices", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(
        task_id="label",
        rows=[{"text": "one"}, {"text": "two"}],
        model="claude-opus-5-5",
        prompt="Label: {{ row.text }}",
        max_tokens=9,
        poll_interval=0.5,
    )
