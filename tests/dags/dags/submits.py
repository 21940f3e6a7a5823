"""One batch of the operator that only submits."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchSubmitOperator

with DAG("submits", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchSubmitOperator(
        task_id="submit", rows=[{"n": 1}], prompt="{{ row.n }}", model="claude-haiku-4-5", max_tokens=5
    )
