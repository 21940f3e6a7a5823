"""Four shards through a window of two, sent by the operator that only submits."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchSubmitOperator

with DAG("submit_window", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchSubmitOperator(
        task_id="submit",
        rows=[{"n": number} for number in range(8)],
        prompt="{{ row.n }}",
        model="claude-haiku-4-5",
        max_tokens=5,
        max_requests_per_shard=2,
        max_requests_in_flight=4,
        poll_interval=1,
    )
