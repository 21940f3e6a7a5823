"""Both operators with immediate retries, to show what is retried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchSubmitOperator

QUESTION: dict[str, Any] = {
    "prompt": "{{ row.n }}",
    "model": "claude-haiku-4-5",
    "max_tokens": 5,
    "max_requests_per_shard": 1,
}

with DAG(
    "retried",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(0)},
) as dag:
    submit = MessageBatchSubmitOperator(task_id="submit", rows=[{"n": 1}, {"n": 2}, {"n": 3}], **QUESTION)
    label = MessageBatchOperator(task_id="label", rows=[{"n": 4}, {"n": 5}], trigger_rule="all_done", **QUESTION)
    submit >> label
