"""Tasks with JSON Schemas that the API refuses: in message_params, of a builder, and in ready requests."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchSubmitOperator

SCORE = {"type": "object", "properties": {"score": {"type": "number", "minimum": 0}}, "required": ["score"]}
OUTPUT = {"format": {"type": "json_schema", "schema": SCORE}}
ASKED: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 10}
ROWS = [{"n": 1}, {"n": 2}]


def read() -> list[dict[str, Any]]:
    """Show that rows are read, which must not happen."""
    raise AssertionError("rows were read")


def build(row: dict[str, Any]) -> dict[str, Any]:
    """Return the params of one row: the schema of the second is refused."""
    messages = [{"role": "user", "content": f"Score {row['n']}"}]
    return {"messages": messages} if row["n"] == 1 else {"messages": messages, "output_config": OUTPUT}


with DAG("refused_schemas", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    params = {"output_config": OUTPUT}
    MessageBatchOperator(task_id="asked", rows=read, prompt="Score {{ row.n }}", message_params=params, **ASKED)
    MessageBatchSubmitOperator(task_id="built", rows=ROWS, request_builder=build, **ASKED)
    MessageBatchSubmitOperator(
        task_id="ready",
        requests=[{"custom_id": row["n"], "params": build(row) | ASKED} for row in ROWS],
    )
