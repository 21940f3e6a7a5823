"""Tasks that send rows, and one that collects, while a connection or another task may bring prices of no use."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)

MODEL = "claude-opus-5-5"
ASKED: dict[str, Any] = {
    "rows": [{"text": "one"}, {"text": "two"}],
    "model": MODEL,
    "prompt": "Label: {{ row.text }}",
    "max_tokens": 9,
}

with DAG(
    "wrong_prices",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"output": Param("20", type="string"), "conn_id": Param("anthropic_default", type="string")},
) as dag:

    @task
    def contract(output: str) -> list[dict[str, Any]]:
        return [{MODEL: {"input": "4", "output": output}}]

    MessageBatchOperator(task_id="one_task", **ASKED)
    submit = MessageBatchSubmitOperator(task_id="submit", **ASKED)
    MessageBatchResultsOperator(task_id="results", job=submit.output, conn_id="{{ params.conn_id }}")
    MessageBatchOperator.partial(task_id="mapped", **ASKED).expand(prices=contract("{{ params.output }}"))
