"""Decorated functions: the tasks send their rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, task

QUESTION: dict[str, Any] = {
    "key": "number",
    "model": "claude-haiku-4-5",
    "prompt": "Label: {{ row.text }}",
    "max_tokens": 9,
}

with DAG("decorated", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:

    @task
    def how_many() -> int:
        return 5

    @task.message_batch(**QUESTION)
    def yielded(count: int, day: str) -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {"number": number, "text": f"{day}: {number} {{{{ no template }}}}"}

    @task.message_batch(**QUESTION)
    def returned(run_id: str | None = None, dag_run: Any = None) -> list[dict[str, Any]]:
        return [{"number": 1, "text": f"{run_id} is {dag_run.run_id}"}]

    yielded(how_many(), day="{{ ds }}")
    returned()
