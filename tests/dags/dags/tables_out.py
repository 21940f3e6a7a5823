"""Answers as tables: Parquet, CSV, and a table of a database, in one task and step by step."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor
from anthropic_batches_provider.sources import SqlRows

SENTIMENT = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
    "required": ["label", "score"],
    "additionalProperties": False,
}
ASKED: dict[str, Any] = {
    "rows": SqlRows("warehouse", "SELECT id, word, text FROM notes ORDER BY id"),
    "key": "id",
    "keep": ["word"],
    "model": "claude-haiku-4-5",
    "prompt": "Judge: {{ row.text }}",
    "max_tokens": 10,
    "output_schema": SENTIMENT,
}
FOLDER = "{{ params.output }}"

with DAG(
    "tables_out",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"output": Param("", type="string"), "table": Param("labels", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="table",
        destination=SqlTable("warehouse", "{{ params.table }}", create=True),
        columns={"parsed": "", "usage": None, "text": "answer"},
        **ASKED,
    )
    MessageBatchOperator(task_id="parquet", destination=f"{FOLDER}/parquet", output_format="parquet", **ASKED)
    MessageBatchOperator(
        task_id="csv",
        destination=f"{FOLDER}/csv",
        output_format="csv",
        columns=["parsed_score", "result_type"],
        **ASKED,
    )
    submit = MessageBatchSubmitOperator(task_id="submit", **ASKED)
    wait = MessageBatchSensor(task_id="wait", job=submit.output)
    results = MessageBatchResultsOperator(
        task_id="results", job=submit.output, destination=SqlTable("warehouse", "{{ params.table }}_2", create=True)
    )
    submit >> wait >> results
