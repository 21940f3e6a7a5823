"""Tasks whose rows come from a database, with every argument given in every way."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import SqlRows

ASKED: dict[str, Any] = {
    "key": "id",
    "keep": "*",
    "column_prefix": "claude_",
    "model": "claude-haiku-4-5",
    "prompt": "Translate: {{ row.text }}",
    "max_tokens": 10,
}
FOLDER = "{{ params.output }}"
OF_A_WORD = "SELECT id, text FROM notes WHERE word = ? ORDER BY id"

with DAG(
    "sql_rows",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"output": Param("", type="string"), "database": Param("warehouse", type="string")},
) as dag:

    @task
    def word() -> str:
        return "{{ ds }}"  # data, which must not be rendered

    @task
    def query() -> str:
        return "SELECT id, text, '{{ ds }}' AS day FROM notes WHERE id < 3 ORDER BY id"

    braces = word()
    MessageBatchOperator(
        task_id="inline",
        rows=SqlRows(
            "{{ params.database }}",
            "SELECT id, text, '{{ ds }}' AS day FROM notes WHERE word IN (?, ?) ORDER BY id",
            ["{{ ds_nodash }}", braces],
        ),
        destination=f"{FOLDER}/inline",
        **ASKED,
    )
    MessageBatchOperator(
        task_id="file",
        rows=SqlRows("warehouse", "notes.sql", {"word": braces}),
        destination=f"{FOLDER}/file",
        **ASKED,
    )
    MessageBatchOperator(
        task_id="of_a_task", rows=SqlRows("warehouse", query()), destination=f"{FOLDER}/of_a_task", **ASKED
    )
    MessageBatchOperator(
        task_id="of_a_function",
        rows=lambda: SqlRows("warehouse", OF_A_WORD, ["{{ ds }}"]),
        destination=f"{FOLDER}/of_a_function",
        **ASKED,
    )
    MessageBatchOperator.partial(task_id="partial", rows=SqlRows("warehouse", OF_A_WORD, [braces]), **ASKED).expand(
        destination=[f"{FOLDER}/partial/0"]
    )
    MessageBatchOperator.partial(task_id="expand", destination=FOLDER + "/expand/{{ ti.map_index }}", **ASKED).expand(
        rows=[SqlRows("warehouse", OF_A_WORD, [braces]), SqlRows("warehouse", OF_A_WORD, ["{{ ds_nodash }}"])]
    )
    MessageBatchOperator.partial(task_id="expand_kwargs", **ASKED).expand_kwargs(
        [{"rows": SqlRows("warehouse", OF_A_WORD, [braces]), "destination": f"{FOLDER}/expand_kwargs/0"}]
    )
    MessageBatchOperator(
        task_id="no_file", rows=SqlRows("warehouse", "missing.sql"), destination=f"{FOLDER}/no_file", **ASKED
    )
    MessageBatchOperator(
        task_id="no_rows",
        rows=SqlRows("warehouse", "SELECT id, text FROM notes WHERE false"),
        on_empty="skip",
        destination=f"{FOLDER}/no_rows",
        **ASKED,
    )
