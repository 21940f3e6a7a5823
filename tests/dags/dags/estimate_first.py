"""An estimate decides whether a job is sent; and the pilot of a job says how long the answers of the next one are."""

from __future__ import annotations

from typing import Any, cast

import pendulum
from airflow.sdk import DAG, Param, XComArg, task

from anthropic_batches_provider.operators import MessageBatchEstimateOperator, MessageBatchOperator

QUESTION: dict[str, Any] = {
    "rows": [{"id": number, "text": "word " * (number % 7 + 1)} for number in range(40)],
    "key": "id",
    "prompt": "Repeat: {{ row.text }}",
    "model": "claude-haiku-5-5",
    "max_tokens": 500,
    "prices": {"claude-haiku-5-5": {"input": "0.1", "output": "0.5", "above": {}}},  # also without genai-prices
}


@task.short_circuit
def is_affordable(estimate: dict[str, Any], limit: str) -> bool:
    return not estimate["at_least"] and float(estimate["high_usd"]) <= float(limit)


with DAG(
    "estimate_first",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"limit": Param("1.00")},
) as dag:
    estimate = MessageBatchEstimateOperator(task_id="estimate", **QUESTION)
    ask = MessageBatchOperator(task_id="ask", pilot=10, poll_interval=1, **QUESTION)
    again = MessageBatchEstimateOperator(task_id="again", earlier_job=XComArg(ask, key="manifest"), **QUESTION)
    is_affordable(cast("Any", estimate.output), "{{ params.limit }}") >> ask
