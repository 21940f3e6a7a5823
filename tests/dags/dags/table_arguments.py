"""Tasks whose answers go into a table of a database, with every argument given in every way."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

ASKED: dict[str, Any] = {
    "rows": [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}],
    "key": "id",
    "columns": ["text", "result_type"],
    "model": "claude-haiku-4-5",
    "prompt": "Translate: {{ row.text }}",
    "max_tokens": 10,
}

with DAG(
    "table_arguments",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"database": Param("warehouse", type="string")},
) as dag:

    @task
    def name() -> str:
        return "{{ ds }}"  # data, which must not be rendered

    @task
    def names() -> list[str]:
        return ["mapped {{ ds }}"]

    given = name()
    rendered = MessageBatchOperator(
        task_id="rendered",
        destination=SqlTable("{{ params.database }}", "day_{{ ds_nodash }}", create=True, owner_column="o {{ ds }}"),
        **ASKED,
    )
    MessageBatchOperator(task_id="of_a_task", destination=SqlTable("warehouse", given, create=True), **ASKED)
    MessageBatchOperator.partial(
        task_id="partial", destination=SqlTable("{{ params.database }}", "shared", create=True), **ASKED
    ).expand(max_rounds=[1, 2])
    MessageBatchOperator.partial(task_id="expand", **ASKED).expand(
        destination=[
            SqlTable("warehouse", "expand_{{ ds_nodash }}", create=True),
            SqlTable("warehouse", given, create=True),
        ]
    )
    MessageBatchOperator.partial(task_id="expand_kwargs", **ASKED).expand_kwargs(
        [{"destination": SqlTable("{{ params.database }}", given, create=True)}]
    )
    MessageBatchOperator.partial(task_id="of_a_map", **ASKED).expand(
        destination=names().map(lambda table: SqlTable("warehouse", table, create=True))
    )

    @task.message_batch(
        key="id",
        columns=["text", "result_type"],
        model="claude-haiku-4-5",
        prompt="Translate: {{ row.text }}",
        max_tokens=10,
        destination=SqlTable("warehouse", "decorated_{{ ds_nodash }}", create=True),
    )
    def decorated() -> list[dict[str, Any]]:
        return [{"id": 3, "text": "three"}]

    decorated()

    @task
    def read_back(output: Any) -> list[Any]:
        return sorted(read_rows(output), key=lambda row: row["id"])

    read_back(rendered.output)
