"""Tasks that do not end in time, or have nothing to do."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator

QUESTION: dict[str, Any] = {"prompt": "{{ row.n }}", "model": "claude-haiku-4-5", "max_tokens": 5}

with DAG("one_task_limits", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(task_id="left", rows=[{"n": 1}], timeout=1, **QUESTION)
    MessageBatchOperator(task_id="canceled", rows=[{"n": 2}], timeout=1, on_timeout="cancel", **QUESTION)
    MessageBatchOperator(task_id="empty", rows=[], on_empty="skip", **QUESTION)
