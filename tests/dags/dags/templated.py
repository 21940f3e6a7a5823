"""Numbers and headers from the run's params, and mapped tasks whose arguments cannot be right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator

ASKED: dict[str, Any] = {
    "rows": [{"id": 1}, {"id": None}, {"id": 3}],
    "key": "id",
    "model": "claude-haiku-4-5",
    "prompt": "Say {{ row.id }}",
    "keep_requests": True,
}
AGAIN: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(0)}

with DAG(
    "templated",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"max_tokens": Param(25), "share": Param(0.4), "user": Param("u-1"), "betas": Param(["b-1", "b-2"])},
) as dag:
    MessageBatchOperator(
        task_id="rendered",
        max_tokens="{{ params.max_tokens }}",
        message_params={"metadata": {"user_id": "{{ params.user }}"}, "stop_sequences": ["\n", "{{ params.share }}"]},
        betas="{{ params.betas }}",
        max_failed_rows="{{ params.share }}",
        **ASKED,
    )
    MessageBatchOperator(task_id="no_number", max_tokens="{{ params.betas }}", max_failed_rows=2, **ASKED, **AGAIN)
    MessageBatchOperator(task_id="no_limit", max_tokens=25, max_failed_rows="{{ params.betas }}", **ASKED, **AGAIN)
    MessageBatchOperator.partial(task_id="mapped", max_failed_rows=2, **ASKED, **AGAIN).expand(max_tokens=["x", "25"])
