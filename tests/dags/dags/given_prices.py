"""Tasks whose user has prices of a contract, given in every way; three models each."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, task

from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)

OPUS, HAIKU, MYTHOS = "claude-opus-5-5", "claude-haiku-5-5", "claude-mythos-5-1"
CONTRACT: dict[str, Any] = {
    OPUS: {"input": "3.60", "output": 18, "batch": 0.4},
    MYTHOS: {"input": 50, "output": "250.000002"},
}
ROWS = [{"number": number, "model": model} for number, model in enumerate([OPUS, HAIKU, MYTHOS] * 2)]


def asking(row: dict[str, Any]) -> dict[str, Any]:
    content = f"passage {row['number']}"
    return {"model": row["model"], "max_tokens": 9, "messages": [{"role": "user", "content": content}]}


ASKED: dict[str, Any] = {"key": "number", "request_builder": asking, "max_requests_per_shard": 4}

with DAG("given_prices", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(task_id="argument", rows=ROWS, prices=CONTRACT, **ASKED)
    MessageBatchOperator(task_id="connection", rows=ROWS, prices={}, **ASKED)
    submit = MessageBatchSubmitOperator(task_id="submit", rows=ROWS, **ASKED)
    MessageBatchResultsOperator(task_id="results", job=submit.output, prices=CONTRACT)
    MessageBatchOperator.partial(task_id="mapped", rows=ROWS, **ASKED).expand(prices=[None, CONTRACT])

    @task.message_batch(prices=CONTRACT, **ASKED)
    def decorated() -> list[dict[str, Any]]:
        return ROWS

    decorated()
