"""Rows that failed are corrected and asked about again; those of XCom and of a table are asked again as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

ASKED: dict[str, Any] = {
    "rows": "{{ params.rows }}",
    "key": "number",
    "model": "claude-haiku-4-5",
    "prompt": "Label: {{ row.text }}",
    "max_tokens": 9,
    "dead_letters": True,
    "max_failed_rows": 1_000_000,
}


def corrected(ti: Any) -> Iterator[dict[str, Any]]:
    letters = ti.xcom_pull("ask")["dead_letters"]
    with ObjectStoragePath(letters["uri"]).open("rb") as lines:
        for line in iter(lines.readline, b""):
            letter = json.loads(line)
            letter["params"]["max_tokens"] = 64
            yield letter


@task
def joined(asked: Any, again: Any) -> dict[str, str]:
    late = {row["key"]: row["text"] for row in read_rows(again)}
    return {str(row["number"]): row["text"] or late[row["number"]] for row in read_rows(asked)}


with DAG(
    "dead_letters",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"rows": Param("", type="string"), "output": Param("", type="string")},
) as dag:
    ask = MessageBatchOperator(task_id="ask", destination="{{ params.output }}/asked", **ASKED)
    again = MessageBatchOperator(task_id="again", requests=corrected, destination="{{ params.output }}/again")
    ask >> again
    joined(ask.output, again.output)

    for name, destination in (("xcom", "xcom"), ("table", SqlTable("warehouse", "labels", create=True))):
        first = MessageBatchOperator(task_id=f"{name}_ask", destination=destination, **ASKED)
        first >> MessageBatchOperator(
            task_id=f"{name}_again",
            requests=f"{{{{ ti.xcom_pull('{name}_ask', key='manifest')['dead_letters']['uri'] }}}}",
            max_failed_rows=1_000_000,
        )
