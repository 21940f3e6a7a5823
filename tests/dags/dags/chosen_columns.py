"""Chosen columns in each kind of output; the environment says which, as a DAG that somebody edits between two runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
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

IN_FILES, IN_TABLES, IN_DATABASES = json.loads(os.environ.get("CHOSEN_COLUMNS", "[[], [], []]"))
ROWS = [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}, {"id": 3, "text": ""}]
ASKED: dict[str, Any] = {
    "key": "id",
    "prompt": "Judge {{ row.id }}",
    "model": "claude-haiku-4-5",
    "max_tokens": 10,
    "output_schema": {
        "type": "object",
        "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
        "required": ["label", "score"],
        "additionalProperties": False,
    },
}
FORMATS = ("jsonl", "jsonl.gz", "csv", "parquet")


def columns_of(output_format: str) -> Any:
    return IN_TABLES if output_format in ("csv", "parquet") else IN_FILES


with DAG(
    "chosen_columns",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"output": Param("", type="string")},
) as dag:
    one: dict[str, Any] = {"rows": ROWS, "keep": "*", **ASKED}
    for name in FORMATS:
        MessageBatchOperator(
            task_id=f"one_{name.replace('.', '_')}",
            destination=f"{{{{ params.output }}}}/one/{name}",
            output_format=name,
            columns=columns_of(name),
            max_requests_per_shard=2,
            **one,
        )
    MessageBatchOperator(task_id="one_xcom", columns=IN_FILES, **one)
    MessageBatchOperator(
        task_id="one_table", destination=SqlTable("warehouse", "one", create=True), columns=IN_DATABASES, **one
    )

    @task.message_batch(task_id="decorated", columns=IN_FILES, keep=["text"], **ASKED)
    def decorated() -> Iterator[dict[str, Any]]:
        yield from ROWS

    decorated()
    submit = MessageBatchSubmitOperator(
        task_id="submit", rows=[{"id": row["id"], "word": row["text"]} for row in ROWS], keep=["word"], **ASKED
    )
    wait = MessageBatchSensor(task_id="wait", job=submit.output)
    submit >> wait
    for name in FORMATS:
        wait >> MessageBatchResultsOperator(
            task_id=f"three_{name.replace('.', '_')}",
            job=submit.output,
            destination=f"{{{{ params.output }}}}/three/{name}",
            output_format=name,
            columns=columns_of(name),
        )
    wait >> MessageBatchResultsOperator(task_id="three_xcom", job=submit.output, columns=IN_FILES)
    three = MessageBatchResultsOperator(
        task_id="three_table",
        job=submit.output,
        destination=SqlTable("warehouse", "three", create=True),
        columns=IN_DATABASES,
    )

    wait >> three
