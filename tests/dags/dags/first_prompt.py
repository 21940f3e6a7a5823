"""Tasks of every form, with and without the text of their first prompt in XCom."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, task

from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchSubmitOperator

MODEL: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 9}
QUESTION: dict[str, Any] = {**MODEL, "key": "number", "prompt": "Label: {{ row.text }}"}
SIZES: dict[str, Any] = {"max_requests_per_shard": 2, "max_requests_in_flight": 2}


def rows(text: str) -> list[dict[str, Any]]:
    return [{"number": number, "text": f"{text} {number}"} for number in range(5)]


def with_an_image(row: dict[str, Any]) -> dict[str, Any]:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    blocks = [image, {"type": "text", "text": "See this."}, {"type": "text", "text": row["text"]}]
    return {"messages": [{"role": "user", "content": blocks}]}


def requests(text: str) -> list[dict[str, Any]]:
    return [
        {"custom_id": f"r{number}", "params": {**MODEL, "messages": [{"role": "user", "content": f"{text} {number}"}]}}
        for number in range(3)
    ]


with DAG("first_prompt", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    MessageBatchOperator(task_id="hidden", rows=rows("hidden"), keep_requests=True, **QUESTION, **SIZES)
    MessageBatchOperator(task_id="shown", rows=rows("shown"), show_prompt=True, **QUESTION, **SIZES)
    MessageBatchSubmitOperator(task_id="submitted", rows=rows("submitted"), show_prompt=True, **QUESTION)
    MessageBatchOperator(
        task_id="built", rows=rows("built"), request_builder=with_an_image, show_prompt=True, key="number", **MODEL
    )
    MessageBatchOperator(task_id="ready", requests=requests("ready"), show_prompt=True)

    @task.message_batch(show_prompt=True, **QUESTION)
    def decorated() -> list[dict[str, Any]]:
        return rows("decorated")

    decorated()
