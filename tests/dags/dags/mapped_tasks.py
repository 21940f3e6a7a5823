"""Mapped tasks: the operator over rows, the decorator over arguments, and both in a mapped group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task, task_group

from anthropic_batches_provider.operators import MessageBatchOperator

QUESTION: dict[str, Any] = {
    "key": "number",
    "model": "claude-haiku-4-5",
    "prompt": "Label: {{ row.text }}",
    "max_tokens": 9,
}


def numbered(count: int, first: int) -> list[dict[str, Any]]:
    return [{"number": number, "text": f"passage {number}"} for number in range(first, first + count)]


with DAG(
    "mapped_tasks",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"destination": Param("", type="string")},
) as dag:

    @task
    def days() -> list[list[dict[str, Any]]]:
        return [numbered(2, 0), numbered(3, 10)]

    @task.message_batch(destination="{{ params.destination }}/decorated", **QUESTION)
    def decorated(first: int, count: int) -> Iterator[dict[str, Any]]:
        yield from numbered(count, first)

    @task.message_batch(destination="{{ params.destination }}/in_group", **QUESTION)
    def in_group(first: int) -> list[dict[str, Any]]:
        return numbered(1, first)

    @task
    def two() -> int:
        return 2

    @task
    def two_from(first: int) -> list[dict[str, Any]]:
        return numbered(2, first)

    @task
    def texts() -> list[str]:
        return ["{{ conn.secret.password }}", "{{ 6 * 7 }}"]

    @task.message_batch(destination="{{ params.destination }}/texts", keep="*", column_prefix="claude_", **QUESTION)
    def from_text(text: str, day: str) -> list[dict[str, Any]]:
        return [{"number": 1, "text": text, "day": day}]

    @task_group
    def month(first: int, rows: list[dict[str, Any]]) -> None:
        MessageBatchOperator(
            task_id="label", rows=two_from(first), destination="{{ params.destination }}/group", **QUESTION
        )
        MessageBatchOperator(task_id="given", rows=rows, destination="{{ params.destination }}/given", **QUESTION)
        in_group(first)

    MessageBatchOperator.partial(task_id="label", destination="{{ params.destination }}/operator", **QUESTION).expand(
        rows=days()
    )
    decorated.partial(count=two()).expand(first=[0, 100])
    month.expand_kwargs([{"first": 0, "rows": numbered(1, 7)}, {"first": 50, "rows": numbered(2, 8)}])
    from_text.partial(day="{{ ds }}").expand(text=texts())
