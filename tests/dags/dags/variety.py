"""The operators with every kind of input and every way to wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import (
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

MODEL = "claude-haiku-4-5"


def squares(run_id: str) -> Iterator[dict[str, Any]]:
    """Yield rows; takes a context variable of the run."""
    for number in range(3):
        yield {"n": number, "square": number * number, "run": run_id}


def build(row: dict[str, Any]) -> dict[str, Any]:
    """Return the params of one row; model and max_tokens come from the operator."""
    return {"messages": [{"role": "user", "content": f"Is {row['square']} the square of {row['n']} in {row['run']}?"}]}


with DAG("variety", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    ready = MessageBatchSubmitOperator(
        task_id="ready",
        requests=[
            {
                "custom_id": f"mine/{number}",
                "params": {
                    "model": MODEL,
                    "max_tokens": 5,
                    "messages": [{"role": "user", "content": f"{{{{ not rendered }}}} {number}"}],
                },
            }
            for number in range(2)
        ],
    )
    poked = MessageBatchSensor(task_id="poked", job=ready.output, deferrable=False, poke_interval=0.1)
    ready_rows = MessageBatchResultsOperator(task_id="ready_rows", job=ready.output, include_message=True)
    ready >> poked >> ready_rows

    built = MessageBatchSubmitOperator(
        task_id="built", rows=squares, key=("n", "square"), request_builder=build, model=MODEL, max_tokens=5
    )
    foreign = MessageBatchSensor(
        task_id="foreign", batch_ids="{{ ti.xcom_pull(task_ids='built')['batch_ids'][0] }}", poke_interval=1
    )
    foreign_rows = MessageBatchResultsOperator(
        task_id="foreign_rows", batch_ids="{{ ti.xcom_pull(task_ids='built')['batch_ids'][0] }}"
    )
    built >> foreign >> foreign_rows

    empty = MessageBatchSubmitOperator(
        task_id="empty", rows=[], prompt="{{ row.text }}", model=MODEL, max_tokens=5, on_empty="skip"
    )
