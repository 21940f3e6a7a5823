"""Every way to ask, each in one task that returns the answers; the way to ask determines the unit of a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, task

from anthropic_batches_provider.operators import MessageBatchOperator

HAIKU: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 9}
ROWS = [{"n": 2, "word": "liberty"}, {"n": 1, "word": "peace ☮"}]


def built(row: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": row["word"]}]}]}


def ready(text: str) -> dict[str, Any]:
    return {"custom_id": text, "params": {**HAIKU, "messages": [{"role": "user", "content": text}]}}


with DAG("kept_questions", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(
        task_id="prompted",
        rows=ROWS,
        key="n",
        keep="*",
        prompt="Define {{ row.word }} on {{ ds }}.",
        system=[{"type": "text", "text": "Be brief on {{ ds }}."}],
        message_params={"stop_sequences": ["END"], "metadata": {"user_id": "é"}},
        column_prefix="claude_",
        **HAIKU,
    )
    MessageBatchOperator(task_id="built", rows=ROWS, request_builder=built, **HAIKU)
    MessageBatchOperator(task_id="ready", requests=[ready("first"), ready("second")])
    MessageBatchOperator(
        task_id="named", rows=ROWS, prompt="{{ row.word }}", unit="half/{{ ds }} ü", edition="2", **HAIKU
    )
    MessageBatchOperator.partial(task_id="mapped", prompt="{{ row.word }}", **HAIKU).expand(rows=[ROWS[:1], ROWS[1:]])

    @task.message_batch(prompt="{{ row.word }}", **HAIKU)
    def decorated(count: int) -> Iterator[dict[str, Any]]:
        yield from ROWS[:count]

    decorated(2)
