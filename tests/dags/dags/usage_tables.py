"""Tasks of each kind whose usage goes into one table: in one task, mapped, by the decorator, and step by step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

ASKED: dict[str, Any] = {"model": "claude-haiku-5-5", "prompt": "Say {{ row.word }}", "max_tokens": 10}
WORDS = [{"word": f"word {number}"} for number in range(5)]
USAGE = SqlTable("warehouse", "{{ params.usage }}")

with DAG(
    "usage_tables",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 1, "retry_delay": timedelta(0)},
    params={"usage": Param("anthropic_usage", type="string"), "output": Param("", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="folder",
        rows=WORDS,
        destination="{{ params.output }}/folder",
        usage_table=USAGE,
        max_requests_per_shard=2,
        prices={"claude-haiku-5-5": {"input": "0.3", "output": "1.7", "above": {}}},
        **ASKED,
    )
    MessageBatchOperator.partial(task_id="mapped", usage_table=USAGE, **ASKED).expand(rows=[WORDS[:1], WORDS[1:3]])
    MessageBatchOperator.partial(task_id="of_tables", rows=WORDS[:1], **ASKED).expand(usage_table=[USAGE])

    @task.message_batch(usage_table=USAGE, **ASKED)
    def decorated() -> Iterator[dict[str, str]]:
        yield from WORDS[:2]

    decorated()

    submit = MessageBatchSubmitOperator(task_id="submit", rows=WORDS[:3], **ASKED)
    wait = MessageBatchSensor(task_id="wait", job=submit.output)
    results = MessageBatchResultsOperator(
        task_id="results",
        job=submit.output,
        destination=SqlTable("warehouse", "answers", create=True),
        usage_table=USAGE,
    )
    submit >> wait >> results
