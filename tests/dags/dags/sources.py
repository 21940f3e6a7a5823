"""Tasks whose rows are named in ways that must not be taken for an empty input, though each may skip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchOperator

ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "prompt": "Say {{ row.id }}",
    "max_tokens": 10,
    "on_empty": "skip",
}

with DAG(
    "sources",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": Param("", type="string")},
) as dag:

    @task
    def secrets() -> list[dict[str, str]]:
        return [{"id": "secret"}]

    @task
    def path_of_rows(params: dict[str, Any] | None = None) -> str:
        return str(Path((params or {})["folder"]) / "rows [2026-11].jsonl")

    secrets_given = secrets()
    rendered = MessageBatchOperator(task_id="rendered", rows="{{ ti.xcom_pull('secrets') }}", **ASKED)
    secrets_given >> rendered
    MessageBatchOperator(task_id="no_folder", rows="{{ params.folder }}/none/*.jsonl", **ASKED)
    MessageBatchOperator(task_id="no_match", rows="{{ params.folder }}/*.csv", **ASKED)
    MessageBatchOperator(task_id="hidden", rows="{{ params.folder }}/*.json", **ASKED)
    MessageBatchOperator(task_id="brackets", rows=path_of_rows(), **ASKED)
    MessageBatchOperator(task_id="all", rows="{{ params.folder }}/*", **ASKED)
