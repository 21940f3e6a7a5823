"""A job whose rows share a long text, which one of them writes to the prompt cache before the others are sent."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator

with DAG("prompt_cache", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(
        task_id="compare",
        rows=[{"n": number} for number in range(60)],
        key="n",
        model="claude-sonnet-5-5",
        shared_context="The guide says: be brief. " * 1_000,
        prompt="Number {{ row.n }} of {{ run_id }}",
        max_tokens=10,
        prompt_cache="1h",
        max_requests_per_shard=20,
        max_requests_in_flight=20,
        poll_interval=2,
    )
