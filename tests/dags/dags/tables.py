"""Tables and arrays as rows: a lake of CSV files with folders of days, and a JSON array."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import files

ASKED: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 10}

with DAG(
    "tables",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": Param("", type="string"), "encoding": Param("cp1252", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="lake",
        rows=files(
            "{{ params.folder }}/lake/day=*/*.csv",
            encoding="{{ params.encoding }}",
            delimiter=";",
            null_values=["NULL"],
        ),
        key=["day", "id"],
        keep=["note"],
        prompt="{{ row.day }}: {{ row.text | default('nothing', true) }}",
        destination="{{ params.folder }}/lake_out",
        **ASKED,
    )
    MessageBatchOperator(
        task_id="array",
        rows="{{ params.folder }}/rows.json",
        key="id",
        prompt="{{ row.text }}",
        destination="{{ params.folder }}/array_out",
        **ASKED,
    )
    MessageBatchOperator(
        task_id="ready",
        requests="{{ params.folder }}/requests.json",
        destination="{{ params.folder }}/ready_out",
    )
    MessageBatchOperator(task_id="ready_table", requests=files("{{ params.folder }}/lake/day=1/a.csv", delimiter=";"))
