"""Summarize a few rows of an upstream task and pass the answers on: small data, all through XCom.

The rows come from ``pick_passages``; the answers go to ``report`` as a list of dicts. For more than a few hundred rows,
give ``results`` a ``destination=`` in object storage instead.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, task

from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sensors import MessageBatchSensor

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"

with DAG(
    "summaries_to_xcom",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:

    @task
    def pick_passages() -> list[dict[str, Any]]:
        """Return the passages of one president: any task that returns a list of dicts will do."""
        lines = PASSAGES.read_text(encoding="utf-8").splitlines()
        passages = [json.loads(line) for line in lines]
        return [passage for passage in passages if passage["president"] == "Abraham Lincoln"]

    submit = MessageBatchSubmitOperator(
        task_id="submit",
        rows=pick_passages(),
        key=["year", "passage_id"],
        model="claude-haiku-5-5",
        prompt="Summarize in one sentence what {{ row.president }} says here:\n\n{{ row.text }}",
        max_tokens=120,
    )

    wait = MessageBatchSensor(task_id="wait", job=submit.output)

    results = MessageBatchResultsOperator(task_id="results", job=submit.output, destination="xcom")

    @task
    def report(rows: list[dict[str, Any]]) -> int:
        """Print the summaries; a real DAG would mail them or write them to a table."""
        for row in rows:
            print(f"{row['year']}: {row['text']}")  # noqa: T201 - goes to the task log
        return len(rows)

    submit >> wait >> results
    report(results.output)  # type: ignore[arg-type]
